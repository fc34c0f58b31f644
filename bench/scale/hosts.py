"""Hosts for workers: network namespaces with addresses of their own, on one bridge with this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from psycopg.conninfo import make_conninfo

if TYPE_CHECKING:
    from collections.abc import Iterator

NET: Final = "10.213.0"
ADDRESS: Final = f"{NET}.1"
CONNECTS: Final = "import psycopg, sys; psycopg.connect(sys.argv[1], connect_timeout=5).close()"


class NoHostsError(Exception):
    """Hosts cannot be made here, or the server cannot be reached from them: says why."""


@dataclass(frozen=True, slots=True)
class Hosts:
    """Some hosts, by the commands that start a process on each; the server's machine is at `address`."""

    address: str
    through: tuple[tuple[str, ...], ...]


@contextmanager
def hosts(count: int, server: str) -> Iterator[Hosts]:
    """Make hosts for the length of a block. Raises `NoHostsError` where that is not allowed, or in vain."""
    if shutil.which("ip") is None:
        msg = "no `ip` here (Linux, package iproute2)"
        raise NoHostsError(msg)
    with ExitStack() as ends:
        bridge = f"pgf{os.getpid()}"
        _made(ends, ["link", "add", bridge, "type", "bridge"], ["link", "del", bridge])
        _ip("addr", "add", f"{ADDRESS}/24", "dev", bridge)
        _ip("link", "set", bridge, "up")
        names = [_host(ends, bridge, number) for number in range(count)]
        found = Hosts(ADDRESS, tuple(("ip", "netns", "exec", name) for name in names))
        _try(found, make_conninfo(server, host=ADDRESS))
        yield found


def _host(ends: ExitStack, bridge: str, number: int) -> str:
    name, outer, inner = f"{bridge}-{number}", f"{bridge}o{number}", f"{bridge}i{number}"
    _made(ends, ["netns", "add", name], ["netns", "del", name])
    # either end takes the other along; with the namespace alone they would go some time later
    _made(ends, ["link", "add", outer, "type", "veth", "peer", "name", inner], ["link", "del", outer])
    _ip("link", "set", inner, "netns", name)
    _ip("link", "set", outer, "master", bridge)
    _ip("link", "set", outer, "up")
    _ip("-n", name, "addr", "add", f"{NET}.{number + 2}/24", "dev", inner)
    _ip("-n", name, "link", "set", inner, "up")
    return name


def _made(ends: ExitStack, words: list[str], undone_by: list[str]) -> None:
    _ip(*words)
    ends.callback(subprocess.run, ["ip", *undone_by], check=False, capture_output=True)


def _ip(*words: str) -> None:
    _run(["ip", *words], f"`ip {' '.join(words)}` is not allowed here (it takes root)")


def _try(found: Hosts, dsn: str) -> None:
    _run(
        [*found.through[0], sys.executable, "-c", CONNECTS, dsn],
        f"the server cannot be reached at {ADDRESS} from another host: it needs listen_addresses = '*', and "
        f"{NET}.0/24 in pg_hba.conf",
    )


def _run(command: list[str], otherwise: str) -> None:
    ran = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - of this module's making
    if ran.returncode:
        said = ran.stderr.strip().splitlines()[-1:] or [""]
        msg = f"{otherwise}: {said[0]}"
        raise NoHostsError(msg)
