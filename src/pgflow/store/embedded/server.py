"""A directory's server and its users: the first in starts it, the last one out stops it."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from pgflow.store.embedded import postmaster
from pgflow.store.embedded.errors import EmbeddedError, ServerInUseError
from pgflow.store.embedded.home import Answer
from pgflow.store.embedded.locks import Count, gate, is_counted
from pgflow.store.embedded.processes import lock_holders

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from pgflow.store.embedded.home import Home

GATE: Final = "gate.lock"
USERS: Final = "users.lock"
KEEP: Final = "keep"


@dataclass(frozen=True, slots=True)
class Status:
    """How a directory's server stands; `users` are the pids of its users, as far as they can be seen."""

    running: bool
    kept: bool
    users: tuple[int, ...]
    url: str | None
    pid: int | None
    log: Path


class Server:
    """One use of a directory's server, until `close`, the end of the `with` or of the process."""

    def __init__(self, directory: Path, url: str, count: Count) -> None:
        self.directory = directory
        self.url = url
        self._count = count
        atexit.register(self.close)

    def close(self) -> None:
        """Give the use back, and stop the server where it was the last and nobody asked to keep it.

        A second call does nothing, nor does one in a forked child: the use is its parent's.
        """
        atexit.unregister(self.close)
        if not self._count.held:
            return
        if not self.directory.exists():
            self._count.drop()
            return
        with _explained(self.directory), gate(self.directory / GATE):
            self._count.drop()
            if not is_counted(self.directory / USERS) and not (self.directory / KEEP).exists():
                postmaster.stop(postmaster.locate(self.directory))

    def __enter__(self) -> Self:
        """Enter a use that is already counted."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give the use back."""
        self.close()


def acquire(directory: Path) -> Server:
    """Use the directory's server: join the one that runs, or start it.

    The directory is made where it is missing. Raises `EmbeddedError` (a `DatabaseUnavailableError`).
    """
    directory = _made(directory)
    with _explained(directory), gate(directory / GATE) as held:
        url = _url(postmaster.ensure(directory, held))
        return Server(directory, url, Count(directory / USERS))


def keep(directory: Path) -> str:
    """Start the directory's server, or take the one that runs, and let it run until `stop`; return its address."""
    directory = _made(directory)
    with _explained(directory), gate(directory / GATE) as held:
        home = postmaster.ensure(directory, held)
        (directory / KEEP).touch()
        return _url(home)


def stop(directory: Path, *, force: bool = False) -> bool:
    """Stop the directory's server; False where none ran. Takes back `keep` in any case.

    Raises `ServerInUseError` where it has users and `force` is not set: it then stops with the last of them.
    """
    directory = Path(directory).resolve()
    if not directory.is_dir():
        return False
    with _explained(directory), gate(directory / GATE):
        (directory / KEEP).unlink(missing_ok=True)
        if is_counted(directory / USERS) and not force:
            users = _users(directory)
            who = f" by pids {', '.join(map(str, users))}" if users else ""
            msg = f"the PostgreSQL in {directory} is still used{who}: it stops with the last of them, or now by --force"
            raise ServerInUseError(msg, users)
        return postmaster.stop(postmaster.locate(directory))


def status(directory: Path) -> Status:
    """Say how the directory's server stands; starts and stops nothing, but waits for one that does."""
    directory = Path(directory).resolve()
    if not directory.is_dir():
        return Status(running=False, kept=False, users=(), url=None, pid=None, log=directory / "server.log")
    with _explained(directory), gate(directory / GATE):
        home = postmaster.locate(directory)
        running = home.answer() is Answer.READY
        record = home.record() if running else None
        return Status(
            running=running,
            kept=(directory / KEEP).exists(),
            users=_users(directory),
            url=home.url(record) if record else None,
            pid=record.pid if record else None,
            log=home.log,
        )


def _url(home: Home) -> str:
    record = home.record()
    if record is None:
        msg = f"{home.data}/postmaster.pid has gone while PostgreSQL runs: stop it by force, then start again"
        raise EmbeddedError(msg)
    return home.url(record)


def _users(directory: Path) -> tuple[int, ...]:
    path = directory / USERS
    return lock_holders(path.stat().st_ino) if path.exists() else ()


def _made(directory: Path) -> Path:
    if sys.platform == "win32":
        msg = "the embedded PostgreSQL does not run on Windows: name a server in PGFLOW_DATABASE_URL"
        raise EmbeddedError(msg)
    directory = Path(directory).resolve()
    with _explained(directory):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        ignore = directory / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="ascii")
    return directory


@contextmanager
def _explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        who = f"uid {os.geteuid()}"
        msg = f"the PostgreSQL in {directory} cannot be used by {who}: {error}; use a directory this user owns"
        raise EmbeddedError(msg) from error
