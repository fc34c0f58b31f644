"""Looks at processes: who lives, and which PostgreSQL works in a data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

PS_SECONDS: Final = 10


def is_alive(pid: int) -> bool:
    """Say whether the process exists and is no zombie."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return not sys.platform.startswith("linux")
    return state not in "ZX"


def servers_in(data: Path, recorded: int | None) -> list[int]:
    """Find the pids of every PostgreSQL process at work in a data directory.

    Without /proc only the `recorded` pid can be judged, by its program's name.
    """
    if sys.platform.startswith("linux"):
        return list(_working_in(data))
    return [recorded] if recorded is not None and _is_postgres(recorded) else []


def _working_in(data: Path) -> Iterator[int]:
    try:
        wanted = data.stat()
    except FileNotFoundError:
        return
    for entry in Path("/proc").iterdir():
        # a shell someone left in the directory is not a server: the program's name counts too
        if entry.name.isdecimal() and _program(entry) == "postgres":
            try:
                if os.path.samestat((entry / "cwd").stat(), wanted):
                    yield int(entry.name)
            except OSError:
                continue


def _program(entry: Path) -> str:
    try:
        return (entry / "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _is_postgres(pid: int) -> bool:
    done = subprocess.run(  # noqa: S603 - a number, no shell
        ["/bin/ps", "-o", "comm=", "-p", str(pid)], capture_output=True, text=True, timeout=PS_SECONDS, check=False
    )
    return done.stdout.strip().rpartition("/")[2] == "postgres"


def lock_holders(inode: int) -> tuple[int, ...]:
    """Find the pids that took a flock on the file with this inode; none where /proc/locks cannot tell."""
    try:
        lines = Path("/proc/locks").read_text(encoding="ascii").splitlines()
    except OSError:
        return ()
    fields = [line.split() for line in lines if " FLOCK " in line and "->" not in line]
    return tuple(sorted({int(f[4]) for f in fields if f[5].rpartition(":")[2] == str(inode)}))
