"""A small disk of a server's own, made of memory: it can be full, or take no writes at all. Only root can have one."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final, Self

FILLER: Final = "filler"
CHUNK_BYTES: Final = 1_000_000


class Disk:
    """A tmpfs mounted over a directory, holding what is in it; unmounted in any case behind the `with`.

    Nobody may use the directory while it is mounted or taken away.
    """

    def __init__(self, directory: Path, megabytes: int) -> None:
        self.directory = directory
        self.megabytes = megabytes
        self._is_mounted = False

    def __enter__(self) -> Self:
        about = self.directory.stat()
        kept = self._copied()
        options = f"size={self.megabytes}m,mode={about.st_mode & 0o7777:o},uid={about.st_uid},gid={about.st_gid}"
        _run("mount", "-t", "tmpfs", "-o", options, "chaos", str(self.directory))
        self._is_mounted = True
        _run("cp", "-a", f"{kept}/.", str(self.directory))
        shutil.rmtree(kept.parent)
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_mounted:
            return
        try:
            self.admit_writes()
            self.free()
            kept = self._copied()
        finally:
            # lazily: a process that will not die must not keep the mount for ever
            _run("umount", "--lazy", str(self.directory))
            self._is_mounted = False
        # what is left is for those who look into a violation
        shutil.rmtree(self.directory)
        kept.rename(self.directory)
        kept.parent.rmdir()

    @property
    def free_bytes(self) -> int:
        """What still fits."""
        room = os.statvfs(self.directory)
        return room.f_bavail * room.f_frsize

    def fill(self) -> None:
        """Take all that is left."""
        with (self.directory / FILLER).open("ab") as file:
            size = CHUNK_BYTES
            while size:
                try:
                    os.write(file.fileno(), bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 10

    def free(self) -> None:
        """Give back what `fill` took."""
        (self.directory / FILLER).unlink(missing_ok=True)

    def refuse_writes(self) -> None:
        """Mount it read-only. Raises `OSError` where a file is open for writing: the kernel does not do it then."""
        _run("mount", "-o", "remount,ro", str(self.directory))

    def admit_writes(self) -> None:
        """Mount it for writing again."""
        _run("mount", "-o", "remount,rw", str(self.directory))

    def _copied(self) -> Path:
        kept = Path(tempfile.mkdtemp(prefix="disk-", dir=self.directory.parent)) / self.directory.name
        _run("cp", "-a", str(self.directory), str(kept))
        return kept


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        msg = f"{' '.join(command)}: {done.stderr.strip()}"
        raise OSError(msg)
