"""The proxy before PostgreSQL does each of its faults to real connections, and to no others."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chaos.faults import Cut, Delay, LostAnswer, Silence, born_before, listeners, named, others, says
from chaos.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def proxy(database_url: str) -> Iterator[Proxy]:
    with Proxy(database_url) as proxy:
        yield proxy


@pytest.fixture
def through(proxy: Proxy, database_url: str) -> Iterator[Any]:
    """Make connections through the proxy, closed behind the test."""
    made: list[psycopg.Connection[Any]] = []

    def connect(**options: Any) -> psycopg.Connection[Any]:
        made.append(psycopg.connect(proxy.address(database_url), autocommit=True, connect_timeout=2, **options))
        return made[-1]

    yield connect
    for conn in made:
        conn.close()


@pytest.fixture
def table(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A direct connection to a database with a table `kept`."""
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("create table kept (n integer)")
        yield conn


def kept(conn: psycopg.Connection[Any]) -> list[int]:
    return [n for (n,) in conn.execute("select n from kept order by n")]


def in_a_pipeline(conn: psycopg.Connection[Any], *texts: str) -> None:
    with conn.pipeline():
        for text in texts:
            conn.execute(text)


def until(condition: Any, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)


def test_without_a_fault_everything_passes_unchanged(through: Any, proxy: Proxy) -> None:
    with through() as conn:
        assert conn.execute("select repeat('x', 3000000)").fetchone()[0] == "x" * 3_000_000
        assert conn.execute("select length(%s)", ["y" * 3_000_000]).fetchone() == (3_000_000,)
        with conn.cursor().copy("copy (select generate_series(1, 1000)) to stdout") as copy:
            assert len(list(copy.rows())) == 1000
    until(lambda: proxy.count() == 0)


def test_a_delay_keeps_messages_back_and_their_order(through: Any, proxy: Proxy) -> None:
    conn = through()
    proxy.strike(Delay(0.1, jitter=0.05))
    began = time.monotonic()
    with conn.pipeline():
        found = [conn.execute("select %s::int", [n]) for n in range(20)]
    assert [cursor.fetchone()[0] for cursor in found] == list(range(20))
    assert time.monotonic() - began > 0.2
    proxy.heal()
    began = time.monotonic()
    conn.execute("select 1")
    assert time.monotonic() - began < 0.1


def test_a_cut_ends_the_connection_in_the_midst_of_a_message(through: Any, proxy: Proxy) -> None:
    conn = through()
    proxy.strike(Cut(1.0))
    with pytest.raises(psycopg.OperationalError):
        conn.execute("select 1")
    assert proxy.cuts == 1
    assert conn.closed


def test_a_reset_ends_chosen_connections_and_no_others(through: Any, proxy: Proxy) -> None:
    chosen, other = through(application_name="chosen"), through(application_name="other")
    assert proxy.reset(named("chosen")) == 1
    with pytest.raises(psycopg.OperationalError, match=r"reset|closed"):
        chosen.execute("select 1")
    assert other.execute("select 1").fetchone() == (1,)


def test_the_listener_is_known_by_what_it_says(through: Any, proxy: Proxy) -> None:
    listener, other = through(), through()
    listener.execute("listen pgflow")
    assert (proxy.count(listeners), proxy.count(others)) == (1, 1)
    assert proxy.hang_up(listeners) == 1
    with pytest.raises(psycopg.OperationalError):
        listener.execute("select 1")
    assert other.execute("select 1").fetchone() == (1,)


def test_in_a_silence_nothing_comes_and_nothing_is_closed(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    conn.execute("select 1")
    proxy.strike(Silence())
    conn.pgconn.send_query(b"insert into kept values (1)")
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        through()
    assert kept(table) == []
    assert not conn.closed
    conn.pgconn.consume_input()
    assert conn.pgconn.is_busy()
    proxy.heal()
    with pytest.raises(psycopg.OperationalError):
        until(lambda: conn.pgconn.consume_input() or not conn.pgconn.is_busy())
    assert kept(table) == []
    assert through().execute("select 1").fetchone() == (1,)


def test_old_connections_are_silent_while_new_ones_pass(through: Any, proxy: Proxy) -> None:
    old = through()
    proxy.strike(Silence(whom=born_before(time.monotonic())))
    assert through().execute("select 1").fetchone() == (1,)
    old.pgconn.send_query(b"select 1")
    old.pgconn.flush()
    assert through().execute("select 1").fetchone() == (1,)
    old.pgconn.consume_input()
    assert old.pgconn.is_busy()


def test_after_a_late_silence_what_was_sent_arrives(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    proxy.strike(Silence(late=True))
    conn.pgconn.send_query(b"insert into kept values (1)")
    conn.pgconn.flush()
    until(lambda: proxy.count() == 1)
    assert kept(table) == []
    proxy.heal()
    until(lambda: kept(table) == [1])
    while conn.pgconn.get_result() is not None:
        pass
    assert conn.execute("select 2").fetchone() == (2,)


def test_a_silence_of_answers_alone_lets_what_is_asked_through(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    proxy.strike(Silence(to_server=False))
    conn.pgconn.send_query(b"insert into kept values (1)")
    conn.pgconn.flush()
    until(lambda: kept(table) == [1])
    conn.pgconn.consume_input()
    assert conn.pgconn.is_busy()


def test_the_server_hears_nothing_of_a_client_that_goes_in_a_silence(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    conn.execute("begin")
    conn.execute("lock table kept")
    proxy.strike(Silence())
    conn.close()
    here = "select count(*) from pg_locks where relation = 'kept'::regclass and mode = 'AccessExclusiveLock'"
    assert table.execute(here).fetchone() == (1,)
    proxy.heal()
    until(lambda: table.execute(here).fetchone() == (0,))


def test_refused_connections_are_admitted_again(through: Any, proxy: Proxy) -> None:
    conn = through()
    proxy.refuse()
    with pytest.raises(psycopg.OperationalError, match="refused"):
        through()
    assert conn.execute("select 1").fetchone() == (1,)
    proxy.heal()
    assert through().execute("select 1").fetchone() == (1,)


def test_the_answer_of_a_commit_is_lost_and_the_commit_is_not(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    proxy.strike(LostAnswer(1.0))
    with pytest.raises(psycopg.OperationalError), conn.transaction():
        conn.execute("insert into kept values (1)")
    assert kept(table) == [1]
    assert proxy.lost == [("COMMIT",)]


def test_the_answer_of_a_statement_that_is_its_own_transaction_is_lost(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    conn.execute("insert into kept values (%s)", [0], prepare=True)
    proxy.strike(LostAnswer(1.0, about=says("into kept")))
    assert conn.execute("select n from kept").fetchall() == [(0,)]
    with pytest.raises(psycopg.OperationalError):
        conn.execute("insert into kept values (%s)", [1], prepare=True)
    assert kept(table) == [0, 1]
    assert proxy.lost == [("insert into kept values ($1)",)]


def test_no_answer_is_lost_of_what_did_not_commit(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    proxy.strike(LostAnswer(1.0))
    with pytest.raises(psycopg.errors.DivisionByZero):
        conn.execute("insert into kept values (1 / 0)")
    conn.execute("begin")
    conn.execute("insert into kept values (1)")
    conn.execute("rollback")
    assert (kept(table), proxy.lost) == ([], [])


def test_the_answer_of_a_pipelined_transaction_is_lost_whole(through: Any, proxy: Proxy, table: Any) -> None:
    conn = through()
    proxy.strike(LostAnswer(1.0))
    with pytest.raises(psycopg.OperationalError):
        in_a_pipeline(conn, "begin", "insert into kept values (1)", "commit")
    assert kept(table) == [1]
    assert len(proxy.lost) == 1


def test_the_upstream_moves_while_the_proxy_stays(through: Any, proxy: Proxy, migrated_url: str) -> None:
    conn = through()
    proxy.upstream = migrated_url
    assert conn.execute("select to_regclass('pgflow.jobs')").fetchone() == (None,)
    conn.execute("select 1")
    assert proxy.reset() == 1


def test_a_server_that_is_away_is_a_connection_that_ends(through: Any, proxy: Proxy) -> None:
    proxy.upstream = "host=127.0.0.1 port=1"
    with pytest.raises(psycopg.OperationalError):
        through()


def test_many_connections_at_once_pass(through: Any, proxy: Proxy, table: Any) -> None:
    def insert(n: int) -> None:
        conn = through()
        for _ in range(50):
            conn.execute("insert into kept values (%s)", [n])

    proxy.strike(Delay(0.0, jitter=0.002))
    threads = [threading.Thread(target=insert, args=[n]) for n in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert table.execute("select count(*), count(distinct n) from kept").fetchone() == (500, 10)
