"""Forgetting: what is old goes, a thousand rows at a time, and nothing that is of use yet."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import moving
import pytest

from aging import age, aged
from pgflow.model import Outcome, OutcomeKind, State
from pgflow.store import buckets, forget, jobs
from pgflow.store.admin import act, look

if TYPE_CHECKING:
    import psycopg

    from pgflow.store.pool import Pool

DAY = 86_400.0
WEEK = 7 * DAY
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)

FILLED = {
    "stats": "insert into pgflow.stats select %(at)s, 'q' || n, 't', 'w', 'succeeded', 1, 0, 0, '{}', '{}'",
    "decisions": "insert into pgflow.decisions (created_at, kind, queue, decision, reason_code)"
    " select %(at)s, 'ingest', 'q' || n, 'refused', 'X'",
    "rates": "insert into pgflow.rates select 'claim', 'q' || n, %(at)s, 1",
    "workers": "insert into pgflow.workers select 'w' || n || %(at)s, now(), %(at)s, null, 1, 1, 0, false, 'h', '1',"
    " 'asyncio', '{}', '{}', '[]'",
    "keys": "insert into pgflow.unique_keys (scope, key, job_id, expires_at)"
    " select 'request', 'k' || n || %(at)s, gen_random_uuid(), %(at)s",
    "dead_letters": "insert into pgflow.dead_letters select gen_random_uuid(), %(at)s, 1, 'q', 't', 'X'",
    "closed_letters": "insert into pgflow.dead_letters select gen_random_uuid(), %(at)s, 1, 'q', 't', 'X', null, null,"
    " null, now()",
}
TABLES = {"keys": "unique_keys", "closed_letters": "dead_letters"}


def forgotten(pool: Pool, what: str, seconds: float = WEEK) -> int:
    due = forget.due(pool, what, seconds)
    assert due == forget.due(pool, what, seconds)
    gone = forget.forget(pool, what, seconds, goes_on=lambda: True)
    assert gone == due
    return gone


def count(db: psycopg.Connection[Any], table: str) -> int:
    row = db.execute(f"select count(*) from pgflow.{table}").fetchone()
    assert row is not None
    return int(row[0])


@pytest.mark.parametrize("what", FILLED)
def test_what_is_old_goes_in_thousands_and_the_rest_stays(what: str, pool: Pool, db: psycopg.Connection[Any]) -> None:
    for days, rows in ((8, 2_500), (6, 3)):
        moment = db.execute("select clock_timestamp() - make_interval(days => %s)", [days]).fetchone()
        assert moment is not None
        db.execute(f"{FILLED[what]} from generate_series(1, {rows}) as n", {"at": moment[0]})
    asked: list[int] = []
    table = TABLES.get(what, what)
    goes_on = lambda: bool(asked.append(count(db, table)) or True)  # noqa: E731 - it notes what is left
    assert forget.due(pool, what, WEEK) == 2_500
    assert count(db, table) == 2_503
    assert forget.forget(pool, what, WEEK, goes_on=goes_on) == 2_500
    assert asked == [1_503, 503]
    assert count(db, table) == 3
    assert forgotten(pool, what) == 0


def test_it_ends_where_the_turn_was_lost(pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute(f"{FILLED['dead_letters']} from generate_series(1, 2500) as n", {"at": LONG_AGO})
    assert forget.forget(pool, "dead_letters", DAY, goes_on=lambda: False) == 1_000


@pytest.mark.parametrize("what", ["workers", "keys", "dead_letters", "closed_letters"])
def test_what_another_hand_holds_is_passed_by(what: str, pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute(f"{FILLED[what]} from generate_series(1, 3) as n", {"at": LONG_AGO})
    table = TABLES.get(what, what)
    with db.transaction():
        db.execute(f"select from pgflow.{table} limit 1 for update")
        assert forget.forget(pool, what, DAY, goes_on=lambda: True) == 2
    assert forgotten(pool, what, DAY) == 1


def test_open_dead_letters_are_no_closed_ones(pool: Pool, db: psycopg.Connection[Any]) -> None:
    open_one, discarded, replayed = moving.die(pool), moving.die(pool), moving.die(pool)
    pool.together(lambda run: act.discard(run, discarded))
    db.execute("update pgflow.dead_letters set replayed_as = job_id where job_id = %s", [replayed])
    age(db, 8)
    assert forgotten(pool, "closed_letters") == 2
    assert [letter.job_id for letter in pool.run(look.dead_letters())] == [aged(db, open_one, 8)]
    assert forgotten(pool, "dead_letters", 9 * DAY) == 0
    assert forgotten(pool, "dead_letters", WEEK) == 1


def test_of_the_default_partition_only_jobs_that_ended_long_ago_go(pool: Pool, db: psycopg.Connection[Any]) -> None:
    done = moving.succeed(pool)
    open_letter, letter_gone = moving.die(pool), moving.die(pool)
    db.execute("delete from pgflow.dead_letters where job_id = %s", [letter_gone])
    held = moving.one(pool)
    running = moving.claim(pool)[0]
    retrying, waiting = moving.fail(pool, queue="q", priority=9), moving.one(pool)
    cancelled = moving.one(pool)
    pool.together(lambda run: act.cancel(run, cancelled))
    ended_late = moving.one(pool, queue="late")
    age(db, 8)
    late = moving.claim(pool, queue="late")[0]
    moving.finish(pool, late, OutcomeKind.SUCCEEDED)
    fresh = moving.succeed(pool)
    assert running.job_id == held
    assert count(db, "attempts") == 7
    assert forgotten(pool, "default") == 3
    gone = {aged(db, job_id, 8) for job_id in (done, letter_gone, cancelled)}
    stays = {aged(db, job_id, 8) for job_id in (open_letter, held, retrying, waiting, ended_late)} | {fresh}
    assert {job.id for job in pool.together(look.listing).items} == stays
    assert not gone & stays
    assert count(db, "attempts") == 4


def test_a_dead_job_that_was_retried_stays_in_the_default_partition(pool: Pool, db: psycopg.Connection[Any]) -> None:
    dead = moving.die(pool)
    age(db, 8)
    pool.together(lambda run: act.retry(run, aged(db, dead, 8)))
    assert forgotten(pool, "default") == 0
    assert pool.run(look.job(aged(db, dead, 8))).state is State.QUEUED


def test_an_ended_job_stays_as_long_as_its_lease_which_another_run_keeps(
    pool: Pool, db: psycopg.Connection[Any]
) -> None:
    # without its attempt the fence would be open: a late word of its worker, or the reaper, would bring it back
    moving.enqueue(pool, 2)
    short, long = moving.claim(pool, 2)
    now = time.monotonic()
    outcome = Outcome(short, OutcomeKind.SUCCEEDED, now - 0.001, now, short.spent)
    assert pool.run(jobs.finish([outcome], [], now)) == set()
    age(db, 8)
    assert forgotten(pool, "default") == 0
    moving.lapse(pool)
    assert db.execute("select outcome::text, count(*) from pgflow.attempts group by 1 order by 1").fetchall() == [
        ("lost", 1),
        ("succeeded", 1),
    ]
    assert forgotten(pool, "default") == 1
    assert pool.run(look.job(aged(db, long.job_id, 8))).state is State.RETRYING


def test_it_passes_by_thousands_that_stay_to_those_that_go(pool: Pool, db: psycopg.Connection[Any]) -> None:
    moving.enqueue(pool, 2_100, queue="waits")
    moving.succeed(pool)
    age(db, 8)
    assert forgotten(pool, "default") == 1
    assert count(db, "jobs") == 2_100


def test_rows_in_buckets_are_left_to_the_buckets(pool: Pool, db: psycopg.Connection[Any]) -> None:
    moving.succeed(pool)
    age(db, 8)
    buckets.ensure(pool, "day", pool.run(forget.now()) - timedelta(days=9))
    assert forgotten(pool, "default") == 0
    assert count(db, "jobs") == 1


def test_wishes_to_cancel_go_only_for_jobs_that_have_ended(pool: Pool, db: psycopg.Connection[Any]) -> None:
    done, waiting = moving.succeed(pool), moving.one(pool)
    for job_id in (done, waiting):
        db.execute("insert into pgflow.cancellations (job_id) values (%s)", [job_id])
    assert forgotten(pool, "cancellations", 3_600) == 0
    age(db, 1)
    assert forgotten(pool, "cancellations", 3_600) == 1
    row = db.execute("select job_id::text from pgflow.cancellations").fetchone()
    assert row is not None
    assert row[0] == aged(db, waiting, 1)


def test_a_key_that_does_not_expire_stays(pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute("insert into pgflow.unique_keys (scope, key, job_id) values ('job', 'k', gen_random_uuid())")
    assert forgotten(pool, "keys", 0) == 0


def test_another_kind_is_refused_by_name(pool: Pool) -> None:
    for call in (forget.due, lambda *given: forget.forget(*given, goes_on=lambda: True)):
        with pytest.raises(ValueError, match=r"'jobs' is nothing .* stats, decisions"):
            call(pool, "jobs", 1.0)
