"""No statement waits for ever, none outlives its caller by much, and what was lost on the way does no harm later."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chaos.faults import LostAnswer, Silence
from chaos.proxy import Proxy
from moves import IDS, claim, count, ended, failed, finish, flushed, lapse, put, states
from pgflow.errors import DatabaseUnavailableError
from pgflow.model import NewJob
from pgflow.store import claims
from pgflow.store import jobs as sql
from pgflow.store.pool import Pool
from pgflow.store.statement import Query, Statement, all_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Db = psycopg.Connection[Any]
ONE = Statement(Query("one", "select 1"), {}, all_rows)
ANSWER = 1.0
NEAR = 4.0  # what a loaded machine takes beside


@pytest.fixture
def proxy(migrated_url: str) -> Iterator[Proxy]:
    with Proxy(migrated_url) as proxy:
        yield proxy


@pytest.fixture
def far(proxy: Proxy, migrated_url: str) -> Iterator[Pool]:
    """A pool behind the proxy that waits a second for an answer."""
    pool = Pool(proxy.address(migrated_url), answer_seconds=ANSWER, acquire_seconds=ANSWER)
    yield pool
    proxy.heal()
    pool.close()


@contextmanager
def within(seconds: float) -> Iterator[None]:
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def until(condition: Callable[[], Any], seconds: float = 15) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def sleep(seconds: float) -> Statement[Any]:
    return Statement(Query("sleep", "select pg_sleep(%(seconds)s)"), {"seconds": seconds}, all_rows)


def blocked(db: Db) -> bool:
    found = db.execute(
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    ).fetchone()
    return bool(found and found[0])


def active(db: Db) -> bool:
    """Whether a statement of the store's runs anywhere: the connections of a peer that has gone end behind theirs."""
    found = db.execute(
        "select 1 from pg_stat_activity where application_name = 'pgflow' and datname = current_database() "
        "and state <> 'idle'"
    )
    return found.fetchone() is not None


def test_a_peer_that_acknowledges_and_says_nothing_is_given_up_and_the_next_statement_finds_the_database_again(
    far: Pool, proxy: Proxy
) -> None:
    far.run(ONE)
    proxy.strike(Silence())
    with within(ANSWER + NEAR), pytest.raises(DatabaseUnavailableError, match="no answer within 1 s") as caught:
        far.run(ONE)
    assert caught.value.in_doubt
    proxy.heal()
    assert far.run(ONE) == [(1,)]


@pytest.mark.parametrize("settings", [None, {"jit": "off"}], ids=["alone", "in a pipeline"])
def test_silence_in_the_middle_is_noticed_wherever_it_begins(
    far: Pool, proxy: Proxy, settings: dict[str, str] | None
) -> None:
    far.run(ONE)
    timer = threading.Timer(0.3, proxy.strike, [Silence()])
    timer.start()
    query = Query("sleep", "select pg_sleep(0.6)", settings or {}, repeatable=False)
    with within(ANSWER + NEAR), pytest.raises(DatabaseUnavailableError, match="no answer within 1 s"):
        far.run(Statement(query, {}, all_rows))
    timer.join()


def test_a_transaction_and_a_borrowed_connection_do_not_wait_for_ever_either(far: Pool, proxy: Proxy) -> None:
    far.run(ONE)
    proxy.strike(Silence())
    with within(ANSWER + NEAR), pytest.raises(DatabaseUnavailableError, match="no answer within 1 s"):
        far.together(lambda run: run(ONE))
    proxy.heal()
    far.run(ONE)
    proxy.strike(Silence())
    with (
        within(ANSWER + NEAR),
        pytest.raises(DatabaseUnavailableError, match="no answer within 1 s"),
        far.transaction() as opened,
    ):
        opened.run(ONE)


def test_a_black_hole_that_takes_connections_is_left_after_the_time_to_get_one(far: Pool, proxy: Proxy) -> None:
    proxy.strike(Silence())
    with within(ANSWER + NEAR), pytest.raises(DatabaseUnavailableError, match="no connection within 1 s") as caught:
        far.run(ONE)
    assert not caught.value.in_doubt


def test_after_an_outage_the_first_who_asks_is_answered(far: Pool, proxy: Proxy) -> None:
    far.run(ONE)
    proxy.refuse()
    proxy.reset()
    for _ in range(5):
        with within(NEAR), pytest.raises(DatabaseUnavailableError, match="refused"):
            far.run(ONE)
    proxy.admit()
    assert far.run(ONE) == [(1,)]


def test_those_who_wait_for_a_connection_get_the_one_that_comes_back(migrated_url: str) -> None:
    pool = Pool(migrated_url, size=1)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda _: pool.run(sleep(0.05)), range(8))) == [[("",)]] * 8
    pool.close()


def test_connections_that_the_server_closed_while_they_rested_cost_no_statement(pool: Pool, db: Db) -> None:
    pool.run(ONE)
    time.sleep(1.1)  # one that was used just now is not looked at
    db.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity "
        "where application_name = 'pgflow' and datname = current_database()"
    )
    until(
        lambda: (
            db.execute(
                "select from pg_stat_activity where application_name = 'pgflow' and datname = current_database()"
            ).fetchone()
            is None
        )
    )
    query = Query("one", "select 1", repeatable=False)
    assert pool.run(Statement(query, {}, all_rows)) == [(1,)]


def test_the_server_ends_a_statement_before_its_caller_gives_up_and_the_connection_is_kept(far: Pool) -> None:
    pid = Statement(Query("pid", "select pg_backend_pid()"), {}, all_rows)
    before = far.run(pid)
    with pytest.raises(DatabaseUnavailableError, match="took too long") as caught:
        far.run(sleep(20))
    assert not caught.value.in_doubt
    assert far.run(pid) == before


def test_what_may_rightly_take_long_has_a_way_out(far: Pool) -> None:
    with far.patient() as conn:
        conn.execute("select pg_sleep(%s)", [2 * ANSWER])
    with far.transaction(patient=True) as opened:
        opened.run(sleep(2 * ANSWER))


def test_a_tighter_bound_of_the_roles_own_stays(migrated_url: str) -> None:
    tight = psycopg.conninfo.make_conninfo(migrated_url, options="-c lock_timeout=100 -c statement_timeout=5min")
    pool = Pool(tight, answer_seconds=10)
    asked = "select current_setting('lock_timeout'), current_setting('statement_timeout')"
    assert pool.run(Statement(Query("bounds", asked), {}, all_rows)) == [("100ms", "9s")]
    pool.close()


@pytest.mark.parametrize("wanted", [False, True])
def test_no_statement_is_compiled_unless_that_is_wished(migrated_url: str, wanted: bool) -> None:
    pool = Pool(psycopg.conninfo.make_conninfo(migrated_url, options="-c jit=on"), jit=wanted)
    asked = Query("jit", "select current_setting('jit')")
    assert pool.run(Statement(asked, {}, all_rows)) == [("on" if wanted else "off",)]
    pool.close()


def test_a_claim_behind_a_locked_table_gives_up_and_leases_nothing_later(far: Pool, db: Db, migrated_url: str) -> None:
    put(far)
    with psycopg.connect(migrated_url) as other:
        other.execute("lock table pgflow.ready in access exclusive mode")
        with within(NEAR), pytest.raises(DatabaseUnavailableError, match="locked") as caught:
            claim(far)
        assert not caught.value.in_doubt
    assert count(db, "leases") == 0
    assert len(claim(far)) == 1


@pytest.mark.parametrize("alone", [False, True])
def test_a_claim_that_arrives_after_its_lease_was_voided_takes_nothing(
    far: Pool, pool: Pool, proxy: Proxy, db: Db, alone: bool
) -> None:
    put(pool, 3, max_attempts=1 if alone else 5)
    far.run(ONE)
    proxy.strike(Silence(late=True))
    lease = claims.new_lease_id()
    lone = [f"{lease[:-4]}{n:04x}" for n in range(1, 6)]
    with pytest.raises(DatabaseUnavailableError) as caught:
        far.run(claims.claim("default", "w1", lease, lone, 10, 30, mark=claims.HEAD, suspects=True))
    assert caught.value.in_doubt
    pool.run(claims.void([lease, *lone]))
    assert pool.run(claims.recover("w1", [lease, *lone])).jobs == []
    proxy.heal()
    until(lambda: proxy.count() == 0 and not active(db))
    assert db.execute("select count(*) from pgflow.leases where job_ids <> '{}'").fetchone() == (0,)
    assert count(db, "ready") == 3
    assert len(claim(pool, 10)) == 3


def test_without_that_it_would_lease_jobs_to_nobody(far: Pool, pool: Pool, proxy: Proxy, db: Db) -> None:
    put(pool, 3)
    far.run(ONE)
    proxy.strike(Silence(late=True))
    with pytest.raises(DatabaseUnavailableError):
        claim(far)
    assert count(db, "leases") == 0
    proxy.heal()
    until(lambda: count(db, "leases") == 1)


def test_the_look_for_a_lost_claim_waits_for_one_that_still_runs(pool: Pool, db: Db, migrated_url: str) -> None:
    put(pool, 2)
    lease = claims.new_lease_id()
    statement = claims.claim("default", "w1", lease, [], 10, 30, mark=claims.HEAD, suspects=False)
    with psycopg.connect(migrated_url) as slow, ThreadPoolExecutor(1) as threads:
        slow.execute(statement.query.text, statement.params)
        voided = threads.submit(pool.run, claims.void([lease]))
        until(lambda: blocked(db))
        slow.commit()
        voided.result(10)
    assert len(pool.run(claims.recover("w1", [lease])).jobs) == 2


def test_void_leases_count_as_nothing_and_go_by_themselves(pool: Pool, db: Db) -> None:
    put(pool, 40)
    pool.run(claims.void([claims.new_lease_id() for _ in range(40)]))
    assert pool.run(sql.left_to_do(["default"])) == (40, 0, 0)
    for _ in range(40):
        claim(pool, 1)
    lapse(db)
    taken = [pool.run(sql.reap()) for _ in range(3)]
    assert [len(rows) for rows in taken] == [16, 16, 8]
    assert count(db, "leases") == 0


def test_a_finish_repeated_while_the_first_still_runs_stores_each_outcome_once(
    pool: Pool, db: Db, migrated_url: str
) -> None:
    put(pool, 3)
    jobs = claim(pool)
    outcomes = [ended(jobs[0]), failed(jobs[1], 60), ended(jobs[2])]
    statement = sql.finish(outcomes, [jobs[0].lease_id], time.monotonic())
    with psycopg.connect(migrated_url) as first, ThreadPoolExecutor(1) as threads:
        first.execute(statement.query.text, statement.params)
        again = threads.submit(finish, pool, outcomes)
        until(lambda: blocked(db))
        first.commit()
        again.result(10)
    assert (count(db, "attempts"), count(db, "scheduled"), count(db, "leases")) == (3, 1, 0)
    assert sorted(filter(None, states(db).values())) == ["retrying", "succeeded", "succeeded"]
    assert db.execute("select sum(count) from pgflow.stats").fetchone() == (3,)


def test_an_enqueue_repeated_while_the_first_still_runs_stores_the_job_once(
    pool: Pool, db: Db, migrated_url: str
) -> None:
    for ends in (psycopg.Connection.rollback, psycopg.Connection.commit):
        job = NewJob(id=IDS.make(), queue="default", task="t")
        statement = sql.enqueue([job])
        with psycopg.connect(migrated_url) as first, ThreadPoolExecutor(1) as threads:
            first.execute(statement.query.text, statement.params)
            again = threads.submit(pool.run, statement)
            until(lambda: blocked(db))
            ends(first)
            assert again.result(10) == [job.id]
    assert (count(db, "jobs"), count(db, "ready")) == (2, 2)


@pytest.mark.parametrize("failures", [0, 1, 3], ids=["successes", "mixed", "failures"])
def test_a_flush_sent_again_after_a_lost_answer_calls_none_of_it_late(
    far: Pool, pool: Pool, proxy: Proxy, db: Db, failures: int
) -> None:
    put(pool, 3)
    jobs = claim(pool)
    outcomes = [failed(job, 60) for job in jobs[:failures]] + [ended(job) for job in jobs[failures:]]
    proxy.strike(LostAnswer(1, about=lambda question: any("pgflow.attempts" in text for text in question)))
    far.run(ONE)
    with ThreadPoolExecutor(1) as threads:
        storing = threads.submit(flushed, far, outcomes, [jobs[0].lease_id])
        until(lambda: count(db, "attempts") == 3)
        proxy.heal()
        assert storing.result(20) == set()
    assert (count(db, "attempts"), count(db, "scheduled"), count(db, "leases")) == (3, failures, 0)
    assert db.execute("select sum(count) from pgflow.stats").fetchone() == (3,)


def test_a_flush_behind_a_reaper_is_late_whatever_it_says(pool: Pool, db: Db) -> None:
    put(pool, 2)
    first, second = claim(pool)
    lapse(db)
    pool.run(sql.reap())
    assert flushed(pool, [ended(first), failed(second)], []) == {(first.job_id, 1), (second.job_id, 1)}


def test_a_transaction_whose_commit_was_not_answered_is_told_as_in_doubt(far: Pool, proxy: Proxy, db: Db) -> None:
    far.run(ONE)
    proxy.strike(LostAnswer(1, about=lambda question: any("commit" in text.lower() for text in question)))
    statement = sql.enqueue([NewJob(id=IDS.make(), queue="default", task="t")])
    with pytest.raises(DatabaseUnavailableError) as caught:
        far.together(lambda run: run(statement))
    assert caught.value.in_doubt
    assert count(db, "jobs") == 1


def test_an_enqueue_whose_answer_was_lost_is_repeated_and_stored_once(far: Pool, proxy: Proxy, db: Db) -> None:
    far.run(ONE)
    proxy.strike(LostAnswer(1, about=lambda question: any("pgflow.jobs" in text for text in question)))
    statement = sql.enqueue([NewJob(id=IDS.make(), queue="default", task="t")])
    with pytest.raises(DatabaseUnavailableError) as caught:
        far.run(statement)
    assert caught.value.in_doubt
    proxy.heal()
    far.run(statement)
    assert (count(db, "jobs"), count(db, "ready")) == (1, 1)
