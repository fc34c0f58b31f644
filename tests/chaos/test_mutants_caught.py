"""Rules whose breach no other test would notice; each of these fails under a mutant of `chaos.mutants_table`."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from moves import IDS, claim, count, ended, finish, hasten, lapse, put, states
from pgflow import App, DatabaseUnavailableError
from pgflow.model import NewJob
from pgflow.store import buckets
from pgflow.store import jobs as sql
from pgflow.store.pool import Pool
from workers import until, work, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Db = psycopg.Connection[Any]


@pytest.fixture
def hasty(migrated_url: str) -> Iterator[Pool]:
    """A store whose statements end rather than wait for a lock for long."""
    pool = Pool(make_conninfo(migrated_url, options="-c lock_timeout=2000"))
    yield pool
    pool.close()


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    """An app on the test's database, impatient in all it does."""
    quick: dict[str, Any] = {"poll_interval_ms": 100, "reap_interval_ms": 100, "dataset_bucket": "none"}
    app = App("tests", dsn=migrated_url, lease_seconds=2, shutdown_grace_seconds=5, **quick)
    yield app
    app.close()


@contextmanager
def another(url: str) -> Iterator[Db]:
    """A transaction of another session, rolled back where it is not committed."""
    with psycopg.connect(url) as conn:
        yield conn
        conn.rollback()


def wait_for_waiting(db: Db, seconds: float = 10) -> None:
    """Wait until a session of the store waits for a lock."""
    end = time.monotonic() + seconds
    waiting = (
        "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
        " and application_name = 'pgflow'"
    )
    while db.execute(waiting).fetchone() is None:
        assert time.monotonic() < end, "nobody waits for a lock"


# 1. The fence


def test_a_reaper_that_waited_behind_an_outcome_puts_nothing_back(pool: Pool, db: Db, migrated_url: str) -> None:
    [job_id] = put(pool)
    claim(pool)
    lapse(db)
    with another(migrated_url) as winner, ThreadPoolExecutor(1) as threads:
        winner.execute(
            "insert into pgflow.attempts (job_id, attempt, outcome, finished_at) values (%s, 1, 'succeeded', now())",
            [job_id],
        )
        reaping = threads.submit(pool.run, sql.reap())
        wait_for_waiting(db)
        winner.commit()
        assert reaping.result(10) == []
    assert states(db)[job_id] == "succeeded"
    assert count(db, "scheduled") == 0


# 2. Claim, and promotion


def test_a_claim_passes_by_what_another_claim_has_in_hand(hasty: Pool, migrated_url: str) -> None:
    ids = put(hasty, 3)
    with another(migrated_url) as other:
        other.execute("select from pgflow.ready where job_id = %s for update", [ids[0]])
        assert [job.job_id for job in claim(hasty)] == ids[1:]


def test_a_promotion_passes_by_what_another_hand_has_locked(hasty: Pool, db: Db, migrated_url: str) -> None:
    ids = put(hasty, 3, delay=60.0)
    hasten(db)
    with another(migrated_url) as other:
        other.execute("select from pgflow.scheduled where job_id = %s for update", [ids[0]])
        assert hasty.run(sql.promote())[0] == 2
    assert hasty.run(sql.promote())[0] == 1


@pytest.mark.anyio
async def test_a_claim_whose_answer_is_lost_is_taken_up_and_nothing_is_called_lost(
    app: App, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task
    async def quick() -> None:
        await anyio.sleep(0)

    jobs = await quick.aenqueue_many([((), {})] * 5)
    run = app.db.run
    lost: list[str] = []

    def lose_one(statement: Any) -> Any:
        answer = run(statement)
        if statement.query is sql.CLAIM and answer.jobs and not lost:
            lost.extend(job.job_id for job in answer.jobs)
            raise DatabaseUnavailableError("the line broke behind the commit")
        return answer

    monkeypatch.setattr(app.db, "run", lose_one)
    await work(app)
    assert sorted(lost) == sorted(job.id for job in jobs)
    assert db.execute("select distinct outcome::text, attempt from pgflow.attempts").fetchall() == [("succeeded", 1)]


# 4. The heartbeat


def test_a_heartbeat_extends_no_lease_of_another_worker(pool: Pool, db: Db) -> None:
    put(pool)
    [job] = claim(pool, worker="w2")
    before = db.execute("select expires_at from pgflow.leases").fetchall()
    pool.run(sql.extend_leases("w1", [job.lease_id], 3600))
    assert db.execute("select expires_at from pgflow.leases").fetchall() == before
    assert pool.run(sql.standing_leases("w1", [job.lease_id])) == {}


@pytest.mark.anyio
async def test_a_worker_stops_what_runs_under_a_lease_that_is_gone(app: App, db: Db) -> None:
    stopped: list[bool] = []

    @app.task
    async def slow() -> None:
        try:
            await anyio.sleep(60)
        finally:
            stopped.append(True)

    await slow.aenqueue()
    async with working(app) as worker:
        await until(lambda: worker.floor.running)
        db.execute("delete from pgflow.leases")
        await until(lambda: stopped, 10)


# 7. Locks in one order


def test_a_flush_waits_for_a_lease_before_it_writes_anything(pool: Pool, db: Db, migrated_url: str) -> None:
    [job_id] = put(pool)
    [job] = claim(pool)
    with another(migrated_url) as reaper, ThreadPoolExecutor(1) as threads:
        reaper.execute("select from pgflow.leases for update")
        flushing = threads.submit(finish, pool, [ended(job)])
        wait_for_waiting(db)
        # under the deadlock timeout: who writes here first has to be who has the lease
        reaper.execute("set local lock_timeout = '300ms'")
        reaper.execute(
            "insert into pgflow.attempts (job_id, attempt, outcome, finished_at) values (%s, 1, 'lost', now())",
            [job_id],
        )
        reaper.execute("delete from pgflow.leases")
        reaper.commit()
        assert flushing.result(10) == {(job_id, 1)}


def test_a_flush_locks_its_leases_in_order_of_their_ids(pool: Pool, db: Db, migrated_url: str) -> None:
    put(pool, 2)
    first, last = sorted(claim(pool, 1) + claim(pool, 1), key=lambda job: job.lease_id)
    with another(migrated_url) as other, ThreadPoolExecutor(1) as threads:
        other.execute("select from pgflow.leases where id = %s for update", [last.lease_id])
        flushing = threads.submit(finish, pool, [ended(last), ended(first)])
        wait_for_waiting(db)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            db.execute("select from pgflow.leases where id = %s for update nowait", [first.lease_id])
        other.rollback()
        assert flushing.result(10) == set()


# 6. The database's clock only


def test_leases_and_delays_go_by_the_databases_clock(pool: Pool, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    for error in (-7200, 7200):
        monkeypatch.setattr(time, "time", lambda error=error: right() + error)
        put(pool, 1, delay=60.0)
        put(pool, 1)
        [job] = claim(pool, seconds=30)
        [(ahead,)] = db.execute("select extract(epoch from run_at - clock_timestamp())::float8 from pgflow.scheduled")
        assert 30 < ahead <= 60
        [(ahead,)] = db.execute("select extract(epoch from expires_at - clock_timestamp())::float8 from pgflow.leases")
        assert 0 < ahead <= 30
        assert pool.run(sql.reap()) == []
        finish(pool, [ended(job)])
        db.execute("delete from pgflow.scheduled")


# 12. Cancel


@pytest.mark.anyio
async def test_a_job_cancelled_before_its_claim_is_not_started(app: App, db: Db) -> None:
    ran: list[int] = []

    @app.task
    async def runs() -> None:
        ran.append(1)

    job = await runs.aenqueue()
    db.execute("insert into pgflow.cancellations (job_id) values (%s)", [job.id])
    await work(app)
    assert ((await job.arefresh()).state, ran) == ("cancelled", [])


# 13. Buckets


def test_a_job_whose_enqueue_commits_while_a_removal_waits_is_put_back(pool: Pool, db: Db, migrated_url: str) -> None:
    buckets.ensure(pool, "day")
    today = buckets.name_of("day", datetime.now(UTC))
    removed = None
    while removed is None:  # it waits for 100 ms only, which a busy machine may miss
        with another(migrated_url) as caller, ThreadPoolExecutor(1) as threads:
            payload = sql.enqueue_payload([NewJob(id=IDS.make(), queue="default", task="t")], ring=True)
            [(job_id,)] = caller.execute(sql.ENQUEUE.text, {"jobs": payload}).fetchall()
            removing = threads.submit(buckets.remove, pool, today)
            while not removing.done() and not lock_waits(db):
                pass
            caller.commit()
            removed = removing.result(10)
    assert job_id in states(db)
    assert removed == len(states(db))


def lock_waits(db: Db) -> bool:
    """Say whether anyone in this database waits for a lock on a table."""
    here = "database = (select oid from pg_database where datname = current_database())"
    return db.execute(f"select 1 from pg_locks where not granted and {here}").fetchone() is not None


# 18. An enqueue and the transactions


def test_an_enqueue_whose_commit_fails_gives_no_id(app: App, db: Db) -> None:
    @app.task
    def never() -> None: ...

    # what is deferred runs between the statement and the end of its commit
    db.execute("""
        create function refuse() returns trigger language plpgsql as
          $$ begin raise 'no commit' using errcode = '57014'; end $$;
        create constraint trigger refuse after insert on pgflow.ready deferrable initially deferred
          for each row execute function refuse()""")
    with pytest.raises(DatabaseUnavailableError):
        never.enqueue()
    with pytest.raises(DatabaseUnavailableError):
        never.enqueue_many([((), {})] * 3)
    assert count(db, "jobs") == 0


def test_an_enqueue_on_a_callers_connection_goes_with_its_rollback(app: App, db: Db, migrated_url: str) -> None:
    @app.task
    def ride() -> None: ...

    with psycopg.connect(migrated_url) as conn:
        gone = ride.options(conn=conn).enqueue()
        assert conn.execute("select count(*) from pgflow.ready").fetchone() == (1,)
        assert count(db, "ready") == 0
        conn.rollback()
        kept = ride.options(conn=conn).enqueue()
        conn.commit()
    assert gone.id not in states(db)
    assert states(db) == {kept.id: "queued"}


@pytest.mark.anyio
async def test_an_async_enqueue_on_a_callers_connection_goes_with_its_rollback(
    app: App, db: Db, migrated_url: str, anyio_backend_name: str
) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("psycopg's async connections are of asyncio")

    @app.task
    async def ride() -> None: ...

    async with await psycopg.AsyncConnection.connect(migrated_url) as conn:
        await ride.options(conn=conn).aenqueue()
        await conn.rollback()
        kept = await ride.options(conn=conn).aenqueue()
        await conn.commit()
    assert states(db) == {kept.id: "queued"}
