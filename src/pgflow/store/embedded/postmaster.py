"""Starts and stops PostgreSQL in a `Home`; the caller holds the gate."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Final

from pgflow.store.embedded import cluster, privileges
from pgflow.store.embedded.binaries import find_binaries
from pgflow.store.embedded.errors import ServerStartError, VersionMismatchError
from pgflow.store.embedded.home import UNIX_PORT, Answer, Home
from pgflow.store.embedded.processes import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pgflow.store.embedded.binaries import Binaries

START_SECONDS: Final = 60
ORPHAN_SECONDS: Final = 2
POLL_SECONDS: Final = 0.01
STOP_SECONDS: Final = 20
PORT_TRIES: Final = 3


def ensure(directory: Path, gate: int) -> Home:
    """Return the home of a server that answers: the one that runs, or one started now.

    `gate` is the descriptor of the lock the caller holds.
    Raises `ServerStartError`, or an error of the search for binaries and privileges.
    """
    home = locate(directory)
    if not _joined(home):
        home = _start(directory, home, gate)
    return home


def locate(directory: Path) -> Home:
    """Find where a directory's server keeps its files: there, or where `home` leads."""
    elsewhere = directory / "home"
    return Home(elsewhere.resolve() if elsewhere.is_symlink() else directory)


def stop(home: Home) -> bool:
    """Stop the server, in three degrees of insistence; False where none ran. Raises `ServerStartError`."""
    pids = home.servers()
    if not pids:
        return False
    record = home.record()
    for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        targets = [record.pid] if record and record.pid in pids else pids
        for pid in targets:
            _signal(pid, number)
        if _waited(lambda: not home.servers(), STOP_SECONDS):
            return True
        pids = home.servers()
    msg = f"PostgreSQL (pids {home.servers()}) in {home.data} does not stop, not even by SIGKILL: is its disk stuck?"
    raise ServerStartError(msg)


def _joined(home: Home) -> bool:
    """Wait for whatever runs to answer or to end; True where it answers."""
    began = time.monotonic()
    while (answer := home.answer()) is not Answer.READY:
        pids = home.servers()
        if answer is Answer.SILENT and not pids:
            return False
        waited = time.monotonic() - began
        if waited > START_SECONDS:
            msg = f"PostgreSQL (pids {pids}) in {home.data} does not answer: see {home.log}, or stop it by force"
            raise ServerStartError(msg)
        record = home.record()
        if waited > ORPHAN_SECONDS and answer is Answer.SILENT and not (record and is_alive(record.pid)):
            # the postmaster is dead, and a backend in a long query has not noticed: end it as the postmaster would
            for pid in pids:
                _signal(pid, signal.SIGKILL if waited > 2 * ORPHAN_SECONDS else signal.SIGQUIT)
        time.sleep(POLL_SECONDS)
    return True


def _start(directory: Path, home: Home, gate: int) -> Home:
    binaries = _binaries_for(home)
    identity, place = privileges.choose(home.path, binaries)
    if place != home.path:
        (directory / "home").symlink_to(place)
        home = Home(place)
    cluster.prepare(home, identity)
    if home.major() is None:
        cluster.initialize(home, identity, binaries)
    # a port found free may be taken before the server has it; a socket of our own may not
    for _ in range(1 if home.takes_socket else PORT_TRIES):
        pid = privileges.detach(identity, home, gate, _command(home, binaries))
        if _came_up(home, pid):
            return home
    msg = f"PostgreSQL did not start in {home.data}; the end of {home.log}:\n{_tail(home.log)}"
    raise ServerStartError(msg)


def _came_up(home: Home, pid: int) -> bool:
    _waited(lambda: home.answer() is Answer.READY or not is_alive(pid), START_SECONDS)
    return home.answer() is Answer.READY


def _binaries_for(home: Home) -> Binaries:
    try:
        return find_binaries(home.major())
    except VersionMismatchError as error:
        msg = (
            f"{home.data} was made by PostgreSQL {home.major()}, but {error}: install that version, "
            f"or remove {home.path} where its jobs may be lost"
        )
        raise VersionMismatchError(msg) from None


def _command(home: Home, binaries: Binaries) -> list[str]:
    if home.takes_socket:
        quoted = str(home.run).replace('"', '""')
        where = {"listen_addresses": "", "unix_socket_directories": f'"{quoted}"', "port": UNIX_PORT}
    else:
        where = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "port": _free_port()}
    settings = [part for name, value in where.items() for part in ("-c", f"{name}={value}")]
    return [str(binaries.bin / "postgres"), "-D", str(home.data), *settings]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _waited(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-8:])
    except OSError as error:
        return str(error)
