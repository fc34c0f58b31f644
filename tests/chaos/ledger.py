"""What a client was told and what a task did, on disk before anything else happens: one JSON object a line."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from pathlib import Path
from typing import Any, Self


class Ledger:
    """Appends to a file of this process's own in a directory that all processes share.

    Each line is written whole, by one call, and on disk when `note` returns. Safe to use from many threads, and begun
    anew in a forked child.
    """

    def __init__(self, directory: Path | str) -> None:
        self.directory = Path(directory)
        self._lock = threading.Lock()
        self._open()

    def note(self, what: str, **fields: Any) -> None:
        """Write that something happened, and return when it is on disk."""
        line = {"what": what, "at": time.clock_gettime(time.CLOCK_REALTIME), "mono": time.monotonic(), **fields}
        data = json.dumps(line, default=str).encode() + b"\n"
        with self._lock:
            if self._pid != os.getpid():
                self._open()
            # one write a line: a reader, and a crash, see it whole or torn at the end of the file
            os.write(self._file, data)
            os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file; nothing is held back, so nothing is lost without it."""
        with self._lock:
            if self._file >= 0 and self._pid == os.getpid():
                os.close(self._file)
            self._file = -1

    def __enter__(self) -> Self:
        """Give the ledger itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def _open(self) -> None:
        self._pid = os.getpid()
        self.directory.mkdir(parents=True, exist_ok=True)
        self.path = self.directory / f"{self._pid}-{secrets.token_hex(4)}.jsonl"
        self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
        listing = os.open(self.directory, os.O_RDONLY)
        try:
            os.fsync(listing)  # or the file itself could be gone after a crash of the machine
        finally:
            os.close(listing)


def read(directory: Path | str) -> list[dict[str, Any]]:
    """Read what all processes noted, in the order of their clocks; a last line torn by a crash is dropped.

    Raises `ValueError` naming the file and line where another line cannot be read: a ledger that lies proves nothing.
    """
    lines: list[dict[str, Any]] = []
    for path in sorted(Path(directory).glob("*.jsonl")):
        lines += _read_file(path)
    return sorted(lines, key=lambda line: line["at"])


def _read_file(path: Path) -> list[dict[str, Any]]:
    # what follows the last line's end is a torn line: it was never acknowledged to the one who wrote it
    whole = path.read_bytes().split(b"\n")[:-1]
    found = []
    for number, line in enumerate(whole, 1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            msg = f"{path}, line {number} cannot be read: {error}"
            raise ValueError(msg) from error
    return found
