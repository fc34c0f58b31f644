"""Buckets: made ahead, removed without losing a job, and never holding anyone up for long."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import moving
import pytest
from psycopg.conninfo import make_conninfo

import moves
from chaos.sessions import wait_for_waiting
from pgflow.model import NewJob, OutcomeKind, State
from pgflow.store import buckets
from pgflow.store.admin import act, look
from pgflow.store.jobs import ENQUEUE, enqueue_payload
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    import psycopg

HELD_UP_SECONDS = 1.0  # the lock timeout is 0.1 s; the rest is a slow machine's


@pytest.fixture(autouse=True)
def no_buckets_yet(pool: Pool) -> None:
    for bucket in pool.run(buckets.listing()):
        if bucket.starts_at is not None:
            buckets.remove(pool, bucket.name)


def today() -> str:
    return buckets.name_of("day", datetime.now(UTC))


def names(pool: Pool) -> list[str]:
    return [bucket.name for bucket in pool.run(buckets.listing())]


def test_names_and_bounds_agree_with_the_databases(db: psycopg.Connection[Any]) -> None:
    moment = datetime(2026, 11, 24, 20, 5, tzinfo=UTC)
    assert buckets.name_of("day", moment) == "20261124"
    assert buckets.name_of("hour", moment) == "20261124_20"
    assert buckets.span("20261124_20") == (moment.replace(minute=0), moment.replace(hour=21, minute=0))
    assert buckets.span("20261131") is buckets.span("default") is buckets.span("20261124_24") is None
    row = db.execute("select pgflow.uuid_floor(%s)::text", [moment]).fetchone()
    assert row is not None
    assert buckets.floor_id(moment) == row[0]


def test_a_week_or_half_a_day_is_made_ahead_once(pool: Pool) -> None:
    made = buckets.ensure(pool, "day")
    assert made == buckets.names_ahead("day", datetime.now(UTC))
    assert len(made) == 8
    assert buckets.ensure(pool, "day") == []
    assert names(pool) == [*made, "default"]
    far = datetime(2031, 5, 5, 22, tzinfo=UTC)
    assert len(buckets.ensure(pool, "hour", far)) == 13
    assert buckets.ensure(pool, "none", far) == []


def test_a_change_of_length_makes_no_bucket_over_another(pool: Pool) -> None:
    noon = datetime(2031, 5, 5, 20, tzinfo=UTC)
    assert len(buckets.ensure(pool, "hour", noon)) == 13
    assert buckets.ensure(pool, "day", noon)[0] == "20310507"  # hours stand in the 5th and the 6th
    assert buckets.ensure(pool, "hour", noon + timedelta(days=2)) == []


def test_rows_in_the_default_partition_move_into_a_new_bucket_with_their_attempts(pool: Pool) -> None:
    done, waiting = moving.succeed(pool), moving.one(pool)
    buckets.ensure(pool, "day")
    for job_id, state in ((done, State.SUCCEEDED), (waiting, State.QUEUED)):
        job = pool.run(look.job(job_id))
        assert (job.state, job.dataset) == (state, today())
    assert len(pool.run(look.attempts(done))) == 1


def test_a_dropped_bucket_puts_back_what_goes_on_and_open_dead_letters(pool: Pool) -> None:
    buckets.ensure(pool, "day")
    done, dead, closed = moving.succeed(pool), moving.die(pool), moving.die(pool)
    leased = moving.one(pool)
    job = moving.claim(pool)[0]
    queued, later = moving.one(pool), moving.fail(pool, queue="q", delay=60, priority=9)
    pool.together(lambda run: act.discard(run, closed))
    assert buckets.remove(pool, today()) == 4
    assert today() not in names(pool)
    kept = {job.id: (job.state, job.dataset) for job in pool.together(look.listing).items}
    assert kept == {
        dead: (State.DEAD, "default"), leased: (State.RUNNING, "default"),
        queued: (State.QUEUED, "default"), later: (State.RETRYING, "default"),
    }  # fmt: skip
    assert len(pool.run(look.attempts(dead))) == len(pool.run(look.attempts(later))) == 1
    assert pool.run(look.attempts(done)) == []
    moving.finish(pool, job, OutcomeKind.SUCCEEDED)


def test_an_archived_bucket_keeps_its_rows_outside(pool: Pool, db: psycopg.Connection[Any]) -> None:
    buckets.ensure(pool, "day")
    done, waiting = moving.succeed(pool), moving.one(pool)
    assert buckets.remove(pool, today(), drop=False) == 1
    assert [job.id for job in pool.together(look.listing).items] == [waiting]
    assert [str(row[0]) for row in db.execute(f"select id from pgflow.jobs_{today()}").fetchall()] == [done]
    assert today() not in names(pool)
    assert buckets.ensure(pool, "day") == []


def test_an_uncommitted_enqueue_makes_removal_give_up_and_loses_no_job(pool: Pool, db: psycopg.Connection[Any]) -> None:
    buckets.ensure(pool, "day")
    with db.transaction():
        job_id = enqueue_on(db)
        began = time.monotonic()
        assert buckets.remove(pool, today()) is None
        assert time.monotonic() - began < HELD_UP_SECONDS
    assert today() in names(pool)
    assert buckets.remove(pool, today()) == 1
    assert pool.run(look.job(job_id)).state is State.QUEUED
    assert len(moving.claim(pool)) == 1


def test_creation_behind_a_reader_gives_up_and_holds_no_enqueue_up_for_long(
    pool: Pool, db: psycopg.Connection[Any]
) -> None:
    moving.one(pool)
    slowest = 0.0
    with db.transaction():
        db.execute("select count(*) from pgflow.jobs")
        maker = threading.Thread(target=buckets.ensure, args=(pool, "day"))
        maker.start()
        while maker.is_alive():
            began = time.monotonic()
            moving.one(pool)
            slowest = max(slowest, time.monotonic() - began)
        maker.join()
    assert slowest < HELD_UP_SECONDS
    assert names(pool) == ["default"]
    assert len(buckets.ensure(pool, "day")) == 8


def test_an_enqueue_and_an_outcome_that_wait_for_a_bucket_go_into_it(pool: Pool, db: psycopg.Connection[Any]) -> None:
    moves.put(pool)
    (job,) = moves.claim(pool)
    day = today()
    start, end = buckets.span(day) or (None, None)
    make = "select pgflow.create_bucket(%s, pgflow.uuid_floor(%s), pgflow.uuid_floor(%s))"
    with ThreadPoolExecutor(2) as threads:
        with db.transaction():
            db.execute(make, [day, start, end])
            enqueued = threads.submit(moves.put, pool)
            finished = threads.submit(moves.finish, pool, [moves.ended(job)])
            with pool.connection() as looking:
                wait_for_waiting(looking, sessions=2)
        assert len(enqueued.result(10)) == 1
        assert finished.result(10) == set()
    stored = f"select (select count(*) from pgflow.jobs_{day}), (select count(*) from pgflow.attempts_{day})"
    assert db.execute(stored).fetchone() == (2, 1)


def test_two_processes_never_make_buckets_at_once(pool: Pool, db: psycopg.Connection[Any]) -> None:
    with db.transaction():
        db.execute("select pg_advisory_xact_lock(%s)", [buckets.LOCK_KEY])
        assert buckets.ensure(pool, "day") == []
    assert len(buckets.ensure(pool, "day")) == 8


def test_removing_what_is_no_bucket_is_refused_by_name(pool: Pool) -> None:
    for name in ("default", "20310505", "x; drop"):
        with pytest.raises(ValueError, match=name):
            buckets.remove(pool, name)


def enqueue_on(conn: psycopg.Connection[Any]) -> str:
    """Enqueue on a caller's own connection, in the transaction it has."""
    payload = enqueue_payload([NewJob(id=moving.IDS.make(), queue="q", task="t")], ring=True)
    return str(conn.execute(ENQUEUE.text, {"jobs": payload}).fetchall()[0][0])


def test_a_role_that_does_not_own_the_tables_is_told_and_goes_on(
    pool: Pool, db: psycopg.Connection[Any], migrated_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    role = f"lesser_{db.info.dbname}"
    db.execute(f"create role {role} login")
    db.execute(f"grant usage on schema pgflow to {role}")
    db.execute(f"grant select, insert, update, delete on all tables in schema pgflow to {role}")
    lesser = Pool(make_conninfo(migrated_url, user=role))
    try:
        assert buckets.ensure(lesser, "day") == []
    finally:
        lesser.close()
        db.execute(f"drop owned by {role} cascade")
        db.execute(f"drop role {role}")
    assert "run `pgflow migrate` as the owner" in caplog.text
