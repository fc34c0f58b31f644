"""`python -m bench install`: the other queues, at pinned versions, into bench/.peers; what fails is named."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from typing import TYPE_CHECKING, Final

from bench.peers.systems import ADAPTERS, INSTALLED

if TYPE_CHECKING:
    from collections.abc import Callable

PYTHON: Final = {
    "pgqueuer": ("pgqueuer[asyncpg]==1.6.0", "asyncpg==0.32.0"),
    "procrastinate": ("procrastinate==3.10.0", "psycopg[binary]==3.3.9"),
    "celery": ("celery==5.7.0", "redis[hiredis]==8.1.0", "hiredis==3.5.0"),
    "dramatiq": ("dramatiq[redis]==2.2.1",),
    "what they run on": ("anyio==4.16.0", "uvloop==0.23.0"),
}
NODE: Final = {
    "node": ("node@22.23.3",),
    "graphile-worker": ("graphile-worker@0.18.0",),
    "pg-boss": ("pg-boss@12.38.0",),
}
"""Node itself too: both need 22, whatever the machine has; its npm serves to fetch it."""
INSTALL_SECONDS: Final = 600


def install(tell: Callable[[str], None]) -> dict[str, str]:
    """Install all that can be, and give what could not, with the reason."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    failed = _python(tell) | _node(tell)
    if shutil.which("redis-server") is None:
        failed["redis-server"] = "not installed, and Celery and Dramatiq need it: apt-get install redis-server"
    for name, reason in failed.items():
        tell(f"{name} could not be installed: {reason}")
    return failed


def _python(tell: Callable[[str], None]) -> dict[str, str]:
    place = INSTALLED / "venv"
    if not (place / "bin" / "python").exists():
        venv.create(place, with_pip=True)
    failed = {}
    for name, wanted in PYTHON.items():
        tell(f"{name}: {' '.join(wanted)}")
        if said := _run([str(place / "bin" / "python"), "-m", "pip", "install", "-q", *wanted]):
            failed[name] = said
    return failed


def _node(tell: Callable[[str], None]) -> dict[str, str]:
    npm = shutil.which("npm")
    if npm is None:
        return dict.fromkeys(NODE, "npm is not installed: https://nodejs.org, or apt-get install npm")
    place = INSTALLED / "node"
    place.mkdir(exist_ok=True)
    (place / "package.json").write_text('{"private": true, "type": "module"}\n', "utf-8")
    copy_adapters()
    failed = {}
    for name, wanted in NODE.items():
        tell(f"{name}: {' '.join(wanted)}")
        # node's own package fetches the right build in a script
        if said := _run([npm, "install", "--no-audit", "--no-fund", "--foreground-scripts", *wanted], place):
            failed[name] = said
    return failed


def copy_adapters() -> None:
    """Put the adapters in JavaScript where node finds their packages from."""
    place = INSTALLED / "node"
    if place.is_dir():
        for adapter in ADAPTERS.glob("*.mjs"):
            shutil.copy(adapter, place)


def _run(command: list[str], place: object = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603  (pip and npm, at versions of ours)
            command, cwd=str(place or INSTALLED), capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return f"no end after {INSTALL_SECONDS} s"
    return done.stderr.strip()[-500:] or f"exit {done.returncode}" if done.returncode else ""


if __name__ == "__main__":
    sys.exit(bool(install(print)))
