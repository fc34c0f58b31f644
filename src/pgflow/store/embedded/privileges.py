"""Decides as whom PostgreSQL runs, which refuses root, and runs its programs so."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pgflow.store.embedded import launch
from pgflow.store.embedded.errors import PrivilegeError, ServerStartError

if sys.platform != "win32":
    import pwd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.store.embedded.binaries import Binaries
    from pgflow.store.embedded.home import Home

SHARED_ROOT: Final = Path("/var/lib/pgflow")
LAUNCH_SECONDS: Final = 20
REACH: Final = 'cd "$1" && exec "$2" --version'


@dataclass(frozen=True, slots=True)
class Identity:
    """Who runs the server: `self`, `namespace`, or another user's `UID:GID`."""

    spec: str
    name: str
    uid: int | None = None
    gid: int = -1

    def give(self, path: Path) -> None:
        """Make a path this user's, where the user is another than the caller."""
        if self.uid is not None:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


SELF: Final = Identity("self", "this user")
NAMESPACE: Final = Identity("namespace", "root in a user namespace")


def choose(home: Path, binaries: Binaries) -> tuple[Identity, Path]:
    """Return who can run the server and where its files go: in `home`, or else a directory of that user's.

    No directory is ever opened to others. Raises `PrivilegeError` where nobody can.
    """
    if os.geteuid() != 0:
        return SELF, home
    refusals = []
    for identity, place in _candidates(home):
        refusal = _refusal(identity, place, binaries)
        if refusal is None:
            return identity, place
        refusals.append(f"{identity.name} in {place}: {refusal}")
    msg = (
        "PostgreSQL refuses to run as root, and nobody else here can run it"
        f" ({'; '.join(refusals)}): "
        "run pgflow as an ordinary user who owns the directory, or name a server in PGFLOW_DATABASE_URL"
    )
    raise PrivilegeError(msg)


def run(identity: Identity, *command: str, seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program to its end. Raises `ServerStartError` where it does not end in `seconds`."""
    return _launch([identity.spec, "run", *command], seconds)


def detach(identity: Identity, home: Home, gate: int, command: list[str]) -> int:
    """Start a server that outlives this process and its terminal; return its pid.

    `gate` is the descriptor of the lock to hold until the server can be seen.
    Raises `ServerStartError` where it cannot be run.
    """
    line = [identity.spec, "daemon", str(home.log), str(home.data), str(gate), *command]
    done = _launch(line, LAUNCH_SECONDS, gate)
    if done.returncode != 0:
        msg = f"{command[0]} cannot be started as {identity.name}: {done.stderr.strip()}"
        raise ServerStartError(msg)
    return int(done.stdout)


def _candidates(home: Path) -> Iterator[tuple[Identity, Path]]:
    people = [NAMESPACE] if sys.platform == "linux" else []
    people += [user for name in ("postgres", "nobody") for user in _named(name)]
    elsewhere = SHARED_ROOT / hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    for place in (home, elsewhere):
        data = place / "data"
        if not data.exists():
            yield from ((person, place) for person in people)
            continue
        # PostgreSQL serves a data directory only as its owner
        owner = data.stat().st_uid
        yield (_user(owner) if owner else NAMESPACE), place
        return


def _user(uid: int) -> Identity:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return Identity(f"{uid}:{uid}", f"uid {uid}", uid, uid)
    return Identity(f"{uid}:{entry.pw_gid}", entry.pw_name, uid, entry.pw_gid)


def _named(name: str) -> list[Identity]:
    try:
        return [_user(pwd.getpwnam(name).pw_uid)]
    except KeyError:
        return []


def _refusal(identity: Identity, place: Path, binaries: Binaries) -> str | None:
    # the parent is what must be passable: the directory itself is given to the user afterwards
    try:
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    except OSError as error:
        return str(error)
    postgres = str(binaries.bin / "postgres")
    done = run(identity, "/bin/sh", "-c", REACH, "sh", str(place.parent), postgres, seconds=LAUNCH_SECONDS)
    return None if done.returncode == 0 else done.stderr.strip() or f"exit code {done.returncode}"


def _launch(words: list[str], seconds: float, *descriptors: int) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-I", "-S", launch.__file__, *words]
    try:
        return subprocess.run(  # noqa: S603 - our own script, no shell
            line,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
            cwd="/",
            env=_environment(),
            start_new_session=True,
            pass_fds=descriptors,
        )
    except subprocess.TimeoutExpired as error:
        msg = f"{' '.join(words)} did not end in {seconds:g} s: is the machine overloaded, or its disk stuck?"
        raise ServerStartError(msg) from error


def _environment() -> dict[str, str]:
    # PG* would redirect the programs; a set LC_ALL keeps macOS from starting threads in the postmaster
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))}
    return {**kept, "LC_ALL": "C", "TZ": "UTC"}
