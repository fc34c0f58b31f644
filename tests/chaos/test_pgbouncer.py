"""Debian's pgbouncer as the chaos runs it: what it pools, what it cannot do, and how it is stopped."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import psycopg
import pytest

from chaos.pgbouncer import PROGRAM, Pgbouncer
from chaos.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed: apt install pgbouncer")


@pytest.fixture(scope="module")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on TCP: the socket of the embedded one is closed to the pooler's user."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.create()
    server.start()
    yield server.url
    server.stop()


@pytest.fixture
def pooler(tmp_path: Path, database_url: str) -> Iterator[Pgbouncer]:
    with Pgbouncer(tmp_path / "pgbouncer", database_url, default_pool_size=1) as pooler:
        yield pooler


def test_sessions_share_one_connection_of_the_server(pooler: Pgbouncer, database_url: str) -> None:
    address = pooler.address(database_url)
    with psycopg.connect(address, autocommit=True) as one, psycopg.connect(address, autocommit=True) as other:
        pids = [conn.execute("select pg_backend_pid()").fetchone() for conn in (one, other)]
    assert pids[0] == pids[1]


def test_it_knows_no_prepared_statements(pooler: Pgbouncer, database_url: str) -> None:
    address = pooler.address(database_url)
    with psycopg.connect(address, autocommit=True) as one, psycopg.connect(address, autocommit=True) as other:
        one.execute("select 1", prepare=True)
        with pytest.raises(psycopg.errors.DuplicatePreparedStatement):
            other.execute("select 2", prepare=True)


def test_paused_it_keeps_what_is_asked_until_it_is_resumed(pooler: Pgbouncer, database_url: str) -> None:
    with psycopg.connect(pooler.address(database_url), autocommit=True) as conn:
        conn.execute("select 1")
        pooler.tell("pause")
        thread = threading.Thread(target=conn.execute, args=["select 2"])
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        pooler.tell("resume")
        thread.join(5)
        assert not thread.is_alive()


def test_reconnected_it_has_another_connection_of_the_server(pooler: Pgbouncer, database_url: str) -> None:
    with psycopg.connect(pooler.address(database_url), autocommit=True) as conn:
        before = conn.execute("select pg_backend_pid()").fetchone()
        pooler.tell("reconnect")
        assert conn.execute("select pg_backend_pid()").fetchone() != before


@pytest.mark.parametrize("at_once", [False, True], ids=["in good manners", "at once"])
def test_stopped_it_takes_its_clients_down_and_comes_back_where_it_was(
    pooler: Pgbouncer, database_url: str, *, at_once: bool
) -> None:
    address = pooler.address(database_url)
    with psycopg.connect(address, autocommit=True) as conn:
        pooler.stop(at_once=at_once)
        with pytest.raises(psycopg.OperationalError):
            conn.execute("select 1")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(address)
    pooler.start()
    with psycopg.connect(address) as conn:
        assert conn.execute("select 1").fetchone() == (1,)


def test_one_that_cannot_start_says_why(tmp_path: Path, database_url: str) -> None:
    with pytest.raises(TimeoutError, match="invalid value"):
        Pgbouncer(tmp_path, database_url, pool_mode="nonsense").start()
