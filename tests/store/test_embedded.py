"""A PostgreSQL of one's own: who starts it, who shares it, what stops it, and what it survives."""

from __future__ import annotations

import os
import shutil
import signal
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from embedded_users import USE, User, one, pid_of, short_directory

from pgflow.store import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

FORK = """
import os, sys
from pathlib import Path
from pgflow.store import embedded
server = embedded.acquire(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    server.close()
    sys.exit()
os.waitpid(child, 0)
found = embedded.status(server.directory)
print(found.running, found.users == (os.getpid(),), flush=True)
sys.stdin.readline()
"""


CUT_SHORT = """
import os, signal, subprocess
from pgflow.store.embedded import privileges
run = subprocess.run
def cut_short(line, **options):
    if "daemon" not in line:
        return run(line, **options)
    passed = {name: options[name] for name in ("cwd", "env", "pass_fds", "start_new_session")}
    subprocess.Popen(line, stdout=subprocess.DEVNULL, **passed)
    os.kill(os.getpid(), signal.SIGKILL)
privileges.subprocess.run = cut_short
"""


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory of one's own."""
    with short_directory() as path:
        yield path


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A stopped server's directory: to copy, or to use where it comes to no harm."""
    with short_directory() as path:
        with embedded.acquire(path / "pg") as server, psycopg.connect(server.url) as conn:
            conn.execute("create table note as select 42 as kept")
        yield path / "pg"


@pytest.fixture
def directory(made: Path, place: Path) -> Path:
    """A stopped server's directory, with a table `note`."""
    return Path(shutil.copytree(made, place / "pg"))


def test_a_server_is_durable_private_and_utf8(place: Path) -> None:
    with embedded.acquire(place / "new" / "pg") as server:
        for setting, value in {
            "fsync": "on",
            "synchronous_commit": "on",
            "listen_addresses": "",
            "max_connections": "200",
            "max_locks_per_transaction": "256",
            "jit": "off",
            "server_encoding": "UTF8",
        }.items():
            assert one(server.url, f"show {setting}") == value
        modes = {name: stat.S_IMODE((server.directory / name).stat().st_mode) for name in ("run", "data", "password")}
    assert modes == {"run": 0o700, "data": 0o700, "password": 0o600}


def test_the_last_one_out_stops_the_server(made: Path) -> None:
    first, second = embedded.acquire(made), embedded.acquire(made)
    assert first.url == second.url
    first.close()
    first.close()
    assert one(second.url, "select kept from note") == 42
    second.close()
    assert not embedded.status(made).running


def test_a_process_that_just_ends_gives_its_use_back(made: Path) -> None:
    user = User(made)
    pid = int(user.says()[0])
    assert os.getsid(pid) == pid, "a Ctrl-C in the user's terminal would reach the server"
    assert user.leaves() == 0
    assert not embedded.status(made).running


def test_six_at_once_get_one_server(made: Path) -> None:
    users = [User(made) for _ in range(6)]
    assert len({tuple(user.says()) for user in users}) == 1
    assert sorted(embedded.status(made).users) == sorted(user.process.pid for user in users)
    assert [user.leaves() for user in users] == [0] * 6
    assert not embedded.status(made).running


def test_the_server_of_a_killed_owner_is_joined_and_then_stopped(made: Path) -> None:
    owner = User(made)
    pid = int(owner.says()[0])
    owner.killed()
    assert embedded.status(made).users == ()
    with embedded.acquire(made):
        assert pid_of(made) == pid
    assert not embedded.status(made).running


def test_one_who_goes_after_a_killed_owner_stops_the_server(made: Path) -> None:
    owner, other = User(made), User(made)
    assert owner.says() == other.says()
    owner.killed()
    assert other.leaves() == 0
    assert not embedded.status(made).running


def test_a_start_whose_owner_is_killed_meanwhile_is_joined(directory: Path) -> None:
    log = directory / "server.log"
    log.unlink()
    starter = User(directory, CUT_SHORT + USE)
    assert starter.says() == []
    starter.killed()
    with embedded.acquire(directory) as server:
        assert one(server.url, "select kept from note") == 42
    said = log.read_text()
    assert said.count("starting PostgreSQL") == 1
    assert "lock file" not in said, "a second server was started beside it"


def test_a_killed_postmaster_is_started_again(directory: Path) -> None:
    with embedded.acquire(directory) as first, psycopg.connect(first.url) as busy:
        busy.execute("insert into note values (7)")
        busy.commit()
        killed = pid_of(directory)
        os.kill(killed, signal.SIGKILL)
        with embedded.acquire(directory) as second:
            assert pid_of(directory) != killed
            assert one(second.url, "select sum(kept) from note") == 49
        assert one(first.url, "select 1") == 1


def test_files_of_a_dead_server_do_not_hinder_even_where_its_pid_lives_on(directory: Path) -> None:
    (directory / "data/postmaster.pid").write_text(f"{os.getpid()}\n{directory}/data\n0\n5432\n/gone\n\n  1 2\nready\n")
    (directory / "run/.s.PGSQL.5432").touch()
    (directory / "run/.s.PGSQL.5432.lock").write_text(f"{os.getpid()}\n")
    (directory / "data.new.cut-short").mkdir()
    with embedded.acquire(directory) as server:
        assert one(server.url, "select kept from note") == 42
    assert not list(directory.glob("data.new.*"))


def test_a_forked_child_leaves_the_lock_to_its_parent(made: Path) -> None:
    user = User(made, FORK)
    assert user.says() == ["True", "True"]
    assert user.leaves() == 0
    assert not embedded.status(made).running


def test_a_path_too_long_for_a_socket_gets_loopback_tcp_with_a_password(directory: Path) -> None:
    long = Path(shutil.move(directory, directory.parent / ("x" * 100)))
    with embedded.acquire(long) as server:
        assert "@127.0.0.1:" in server.url
        assert one(server.url, "show unix_socket_directories") == ""
        assert one(server.url, "select kept from note") == 42
        address = f"127.0.0.1:{server.url.rpartition(':')[2]}"
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(f"postgresql://postgres:wrong@{address}")
    assert not embedded.status(long).running


@pytest.mark.parametrize("name", ['a "b" c%d', "é,'x'"])
def test_an_awkward_path_works(directory: Path, name: str) -> None:
    awkward = Path(shutil.move(directory, directory.parent / name))
    with embedded.acquire(awkward) as server:
        assert one(server.url, "select kept from note") == 42


def test_a_kept_server_outlives_its_users_until_it_is_stopped(made: Path) -> None:
    url = embedded.keep(made)
    with embedded.acquire(made) as server:
        assert server.url == url
    found = embedded.status(made)
    assert (found.running, found.kept, found.users, found.url) == (True, True, (), url)
    assert embedded.stop(made)
    assert not embedded.stop(made)
    assert not embedded.status(made).kept


def test_stopping_a_used_server_needs_force(made: Path) -> None:
    with embedded.acquire(made):
        with pytest.raises(embedded.ServerInUseError, match=f"used by pids {os.getpid()}") as caught:
            embedded.stop(made)
        assert caught.value.users == (os.getpid(),)
        assert embedded.stop(made, force=True)


def test_stop_and_status_make_no_directory(place: Path) -> None:
    assert not embedded.stop(place / "none")
    assert not embedded.status(place / "none").running
    assert not (place / "none").exists()


def test_data_of_a_major_version_without_binaries_is_refused_with_the_remedy(directory: Path) -> None:
    (directory / "data/PG_VERSION").write_text("11\n")
    with pytest.raises(embedded.VersionMismatchError, match=r"made by PostgreSQL 11.*found \d+ .*install that version"):
        embedded.acquire(directory)


def test_a_server_that_cannot_start_says_why(directory: Path) -> None:
    with (directory / "data/postgresql.conf").open("a") as configuration:
        configuration.write("no_such_setting = 1\n")
    with pytest.raises(embedded.ServerStartError, match="no_such_setting"):
        embedded.acquire(directory)
