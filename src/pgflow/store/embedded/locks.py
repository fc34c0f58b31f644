"""The two locks of a server's directory: the gate for who starts or stops it, the count of its users."""

from __future__ import annotations

import os
import sys
import time
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pgflow.store.embedded.errors import ServerStartError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# longer than the slowest start that is still in order: initdb's 120 s and the server's 60
GATE_SECONDS: Final = 200
POLL_SECONDS: Final = 0.01


class Count:
    """One use of the server: a shared flock, which the kernel drops when the process dies."""

    def __init__(self, path: Path) -> None:
        self._fd: int | None = _open(path)
        fcntl.flock(self._fd, fcntl.LOCK_SH)
        _counts.add(self)

    @property
    def held(self) -> bool:
        """True until it is dropped; False in a forked child."""
        return self._fd is not None

    def drop(self) -> None:
        """Give the use back. A second call does nothing."""
        fd, self._fd = self._fd, None
        if fd is not None:
            fcntl.flock(fd, fcntl.LOCK_UN)
            os.close(fd)

    def forget(self) -> None:
        """Close a forked child's copy: unlike `drop`, it leaves the parent's lock alone."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)


_counts: weakref.WeakSet[Count] = weakref.WeakSet()


def _forget_all() -> None:
    for count in list(_counts):
        count.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)


def is_counted(path: Path) -> bool:
    """Say whether anyone holds a `Count` of this file."""
    fd = _open(path)
    try:
        return not _try(fd)
    finally:
        os.close(fd)


@contextmanager
def gate(path: Path) -> Iterator[int]:
    """Hold the right to start or stop the server; gives the lock's descriptor.

    Raises `ServerStartError` after `GATE_SECONDS`.
    """
    fd = _open(path)
    try:
        deadline = time.monotonic() + GATE_SECONDS
        while not _try(fd):
            if time.monotonic() > deadline:
                msg = f"another process has held {path} for {GATE_SECONDS} s: end the start or stop that is stuck"
                raise ServerStartError(msg)
            time.sleep(POLL_SECONDS)
        yield fd
    finally:
        # a child forked meanwhile has a copy of the descriptor: closing alone would leave the lock to it
        fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)


def _try(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _open(path: Path) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(fd, owner.st_uid, owner.st_gid)
    return fd
