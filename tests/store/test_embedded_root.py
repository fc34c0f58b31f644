"""Root, which PostgreSQL refuses, and ordinary users beside it."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from embedded_users import SECONDS, User, one, pid_of, short_directory

from pgflow.store import embedded
from pgflow.store.embedded import privileges

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of one's own."""
    with short_directory() as path:
        yield path


def test_as_root_the_server_has_none_of_roots_powers(place: Path) -> None:
    accounts = pwd.getpwall()
    with embedded.acquire(place / "pg"):
        status = Path(f"/proc/{pid_of(place / 'pg')}/status").read_text(encoding="utf-8")
        assert "CapEff:\t0000000000000000" in status
    assert pwd.getpwall() == accounts


def test_an_ordinary_user_needs_nothing_of_root(place: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    python = next(
        (p for p in (sys.executable, f"/usr/bin/{Path(sys.executable).resolve().name}") if runs(p, nobody)), None
    )
    if python is None:
        pytest.skip("nobody can run no Python of this version here")
    os.chown(place, nobody, -1)
    user = User(place / "pg", python=python, uid=nobody)
    pid, url = user.says()
    assert Path(f"/proc/{pid}").stat().st_uid == nobody
    assert one(url, "select 1") == 1
    with embedded.acquire(place / "pg") as server:
        assert server.url == url, "root joins it"
        assert user.leaves() == 0
    assert not embedded.status(place / "pg").running
    assert {path.stat().st_uid for path in (place / "pg").iterdir()} == {nobody}


def runs(python: str, uid: int) -> bool:
    """Say whether a user may run a Python with what this one imports."""
    code = "import psycopg, pgflow"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    line = [python, "-c", code]
    try:
        done = subprocess.run(
            line, user=uid, cwd="/", env=environment, capture_output=True, timeout=SECONDS, check=False
        )
    except OSError:
        return False
    return done.returncode == 0


@pytest.fixture
def no_namespaces(monkeypatch: pytest.MonkeyPatch, place: Path) -> None:
    """A machine that forbids user namespaces."""
    real = privileges._refusal

    def refusal(identity: privileges.Identity, *rest: object) -> str | None:
        return "Operation not permitted" if identity is privileges.NAMESPACE else real(identity, *rest)

    monkeypatch.setattr(privileges, "_refusal", refusal)
    monkeypatch.setattr(privileges, "SHARED_ROOT", place / "shared")


def owner(path: Path) -> str:
    """The name of a path's owner."""
    return pwd.getpwuid(path.stat().st_uid).pw_name


@pytest.mark.usefixtures("no_namespaces")
def test_root_without_namespaces_starts_as_postgres_or_nobody(place: Path) -> None:
    with embedded.acquire(place / "pg") as server:
        assert owner(Path(f"/proc/{pid_of(server.directory)}")) in ("postgres", "nobody")
        assert owner(place) == "root"
        assert one(server.url, "select 1") == 1
    with embedded.acquire(place / "pg") as server:
        assert one(server.url, "select 2") == 2


@pytest.mark.usefixtures("no_namespaces")
def test_root_without_namespaces_opens_no_directory_to_the_world(place: Path) -> None:
    private = place / "private"
    private.mkdir(mode=0o700)
    with embedded.acquire(private / "pg") as server:
        assert "shared" in server.url
        assert one(server.url, "select 1") == 1
        assert embedded.acquire(private / "pg").url == server.url
    assert (stat.S_IMODE(private.stat().st_mode), owner(private)) == (0o700, "root")


@pytest.mark.usefixtures("no_namespaces")
def test_root_whom_nobody_can_stand_in_for_is_told_so(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place.chmod(0o700)
    monkeypatch.setattr(privileges, "SHARED_ROOT", place / "shared" / "out-of-reach")
    with pytest.raises(embedded.PrivilegeError, match="as an ordinary user"):
        embedded.acquire(place / "pg")
