"""A forked process and a database, each for one case of the crash points."""

from __future__ import annotations

import os
import select
import signal
import tempfile
import time
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pgflow.store import points
from pgflow.testing.databases import temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Child:
    """A forked process that does one thing, and a pipe from it."""

    def __init__(self, work: Callable[[int], None]) -> None:
        self.pipe, told = os.pipe()
        self._status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self.pipe)
            self._do(work, told)
        os.close(told)

    @staticmethod
    def _do(work: Callable[[int], None], told: int) -> None:
        status = 1
        try:
            work(told)
            status = 0
        except BaseException:  # noqa: BLE001 - a forked child must not go on as its parent
            os.write(told, traceback.format_exc()[-4_000:].encode())
        finally:
            os._exit(status)

    def read(self, seconds: float, most: int | None = None) -> str:
        """Read what it says, to its end or so many bytes; kills it where it takes too long."""
        data, end = b"", time.monotonic() + seconds
        while most is None or len(data) < most:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.pipe], [], [], left)[0]:
                os.kill(self.pid, signal.SIGKILL)
                return data.decode() + f"hung for {seconds:g} s"
            chunk = os.read(self.pipe, most or 65_536)
            if not chunk:
                break
            data += chunk
        return data.decode(errors="replace")

    def wait(self) -> int:
        """Wait for its end; gives its status, negative for a signal."""
        if self._status is None:
            self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            os.close(self.pipe)
        return self._status


@contextmanager
def stage(server: str, source: str) -> Iterator[tuple[str, Path]]:
    """Make a database like `source` and a directory for ledgers; both go behind the block."""
    with temporary(server, source) as url, tempfile.TemporaryDirectory(dir=_memory()) as ledger:
        try:
            yield url, Path(ledger)
        finally:
            points.watcher = None


def _memory() -> str | None:
    # what a killed process wrote survives it there too, and no disk is waited for
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # noqa: S108 - directories of our own in it
