"""The rules of storage, each one a test: what they forbid once lost or doubled a job."""

from __future__ import annotations

import re
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moves import IDS, claim, count, dead, ended, failed, finish, hasten, lapse, plan, put, states
from pgflow.ids import id_time
from pgflow.model import NewJob, OutcomeKind
from pgflow.store import claims
from pgflow.store import jobs as sql
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

Db = psycopg.Connection[Any]


# 1. The fence


def test_the_second_outcome_of_one_run_changes_nothing(pool: Pool, db: Db) -> None:
    [job_id] = put(pool)
    [job] = claim(pool)
    assert finish(pool, [ended(job)], over=False) == set()
    assert finish(pool, [dead(job)]) == {(job_id, 1)}
    assert states(db)[job_id] == "succeeded"
    assert count(db, "dead_letters") == 0


def test_an_acknowledgement_after_the_reaper_is_dropped(pool: Pool, db: Db) -> None:
    [job_id] = put(pool)
    [job] = claim(pool)
    lapse(db)
    assert [row[:3] for row in pool.run(sql.reap())] == [(job_id, 1, "lost")]
    assert finish(pool, [ended(job)]) == {(job_id, 1)}
    assert states(db)[job_id] == "retrying"


def test_worker_and_reaper_racing_for_one_run_leave_one_attempt(pool: Pool, db: Db) -> None:
    for _ in range(10):
        put(pool, 20)
        jobs = claim(pool, 20)
        lapse(db)
        with ThreadPoolExecutor(2) as threads:
            late = threads.submit(finish, pool, [ended(job) for job in jobs])
            reaped = threads.submit(pool.run, sql.reap())
            dropped, lost = late.result(10), reaped.result(10)
        assert {(row[0], row[1]) for row in lost} == dropped
        assert len(dropped) in (0, 20)
    assert count(db, "attempts") == 200


def test_attempt_numbers_rise_with_every_hand_over_and_only_failures_spend(pool: Pool, db: Db) -> None:
    [job_id] = put(pool)
    for kind, fields in [
        (OutcomeKind.SNOOZED, {"delay": 0.0}),
        (OutcomeKind.RELEASED, {"delay": 0.0}),
        (OutcomeKind.FAILED, {"delay": 0.0, "spent": 1}),
    ]:
        [job] = claim(pool)
        finish(pool, [ended(job, kind, **fields)])
    [job] = claim(pool)
    assert (job.attempt, job.spent) == (4, 1)
    finish(pool, [ended(job)])
    rows = db.execute("select attempt, outcome::text from pgflow.attempts where job_id = %s order by 1", [job_id])
    assert rows.fetchall() == [(1, "snoozed"), (2, "released"), (3, "failed"), (4, "succeeded")]


# 2. Claim


def test_two_claims_at_once_never_take_one_job_twice(pool: Pool) -> None:
    ids = put(pool, 400)
    with ThreadPoolExecutor(4) as threads:
        batches = list(threads.map(lambda n: claim(pool, 50, worker=f"w{n}"), range(8)))
    taken = [job.job_id for batch in batches for job in batch]
    assert sorted(taken) == sorted(ids)


def test_priority_orders_a_queue_and_age_orders_a_priority(pool: Pool) -> None:
    low, high = put(pool, 2), put(pool, 2, priority=5)
    assert [job.job_id for job in claim(pool)] == [*high, *low]


def test_a_claim_whose_answer_was_lost_is_read_back_by_its_lease(pool: Pool) -> None:
    put(pool, 3)
    jobs = claim(pool, 3)
    finish(pool, [ended(jobs[0])], over=False)
    back = pool.run(claims.recover("w1", [jobs[0].lease_id])).jobs
    assert [(job.job_id, job.attempt) for job in back] == [(job.job_id, 1) for job in jobs[1:]]
    assert pool.run(claims.recover("w2", [jobs[0].lease_id])).jobs == []


def test_an_entry_without_its_job_is_claimed_with_no_task(pool: Pool, db: Db) -> None:
    [job_id] = put(pool)
    db.execute("delete from pgflow.jobs")
    [job] = claim(pool)
    assert (job.job_id, job.task) == (job_id, None)


def test_a_paused_queue_is_not_claimed_from(pool: Pool, db: Db) -> None:
    put(pool)
    db.execute("insert into pgflow.queues (name, paused) values ('default', true)")
    assert claim(pool) == []
    db.execute("update pgflow.queues set paused = false")
    assert len(claim(pool)) == 1


# 3. Finish


def test_one_flush_stores_every_kind_of_outcome(pool: Pool, db: Db) -> None:
    ids = put(pool, 6)
    jobs = claim(pool)
    outcomes = [
        ended(jobs[0], result='{"n": 1}'),
        failed(jobs[1], delay=60),
        dead(jobs[2]),
        ended(jobs[3], OutcomeKind.CANCELLED, error_code="CANCELLED"),
        ended(jobs[4], OutcomeKind.EXPIRED, error_code="EXPIRED"),
        ended(jobs[5], OutcomeKind.RELEASED, delay=0.0),
    ]
    assert finish(pool, outcomes) == set()
    wanted = ["succeeded", "retrying", "dead", "cancelled", "expired", "queued"]
    assert [states(db)[job_id] for job_id in ids] == wanted
    assert count(db, "leases") == 0
    counted = db.execute("select outcome::text, sum(count)::integer from pgflow.stats group by 1").fetchall()
    recount = db.execute("select outcome::text, count(*)::integer from pgflow.attempts group by 1").fetchall()
    assert sorted(counted) == sorted(recount)


def test_a_lease_stands_until_all_of_it_is_accounted_for(pool: Pool, db: Db) -> None:
    put(pool, 2)
    first, second = claim(pool)
    finish(pool, [ended(first)], over=False)
    assert count(db, "leases") == 1
    lapse(db)
    assert [row[0] for row in pool.run(sql.reap())] == [second.job_id]
    assert count(db, "leases") == 0


# 4. Reap


def test_a_lost_job_comes_back_as_a_suspect_in_a_lease_of_its_own(pool: Pool, db: Db) -> None:
    put(pool, 3)
    claim(pool)
    lapse(db)
    pool.run(sql.reap())
    hasten(db)
    assert pool.run(sql.promote())[0] == 3
    put(pool, 2)
    jobs = claim(pool)
    suspects = [job for job in jobs if job.suspect]
    assert len(suspects) == 1
    assert len(jobs) == 3
    assert suspects[0].lease_id not in {job.lease_id for job in jobs if not job.suspect}
    assert claim(pool, suspects=False) == []
    assert len(claim(pool)) == 1


def test_only_a_crash_as_a_suspect_spends_and_at_the_limit_it_dies_of_it(pool: Pool, db: Db) -> None:
    [job_id] = put(pool, max_attempts=2)
    spent = []
    for _ in range(3):
        [job] = claim(pool)
        spent.append(job.spent)
        lapse(db)
        pool.run(sql.reap())
        hasten(db)
        pool.run(sql.promote())
    assert spent == [0, 0, 1]
    assert states(db)[job_id] == "dead"
    assert db.execute("select reason_code from pgflow.dead_letters").fetchall() == [("WORKER_CRASHED",)]


def test_a_lost_batch_kills_none_of_its_jobs(pool: Pool, db: Db) -> None:
    put(pool, 50, max_attempts=2)
    claim(pool)
    lapse(db)
    assert {row[2] for row in pool.run(sql.reap())} == {"lost"}


def test_jobs_of_one_attempt_are_leased_alone_and_only_as_many_as_can_start(pool: Pool) -> None:
    put(pool, 10, max_attempts=1)
    jobs = claim(pool, 10, lone=3)
    assert len(jobs) == 3
    assert len({job.lease_id for job in jobs}) == 3


def test_each_loss_doubles_the_wait_up_to_a_minute(pool: Pool, db: Db) -> None:
    put(pool, max_attempts=50)
    waits = []
    for _ in range(8):
        claim(pool)
        lapse(db)
        pool.run(sql.reap())
        waits.append(round(db.execute("select extract(epoch from run_at - now()) from pgflow.scheduled").fetchone()[0]))
        hasten(db)
        pool.run(sql.promote())
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60]


def test_the_heartbeat_says_which_leases_stand_and_whom_to_cancel(pool: Pool, db: Db) -> None:
    put(pool, 2)
    jobs = claim(pool)
    db.execute("insert into pgflow.cancellations (job_id) values (%s)", [jobs[1].job_id])
    gone = str(uuid.uuid4())
    pool.run(sql.extend_leases("w1", [jobs[0].lease_id, gone], 300))
    assert pool.run(sql.standing_leases("w1", [jobs[0].lease_id, gone])) == {jobs[0].lease_id: [jobs[1].job_id]}
    left = db.execute("select extract(epoch from expires_at - clock_timestamp()) from pgflow.leases").fetchone()[0]
    assert 290 < left <= 300


def test_a_heartbeat_does_not_wait_for_a_flush_that_holds_the_lease(pool: Pool, migrated_url: str) -> None:
    put(pool)
    [job] = claim(pool)
    with psycopg.connect(migrated_url) as flush:
        flush.execute("select from pgflow.leases for update")
        began = datetime.now(UTC)
        pool.run(sql.extend_leases("w1", [job.lease_id], 300))
        assert pool.run(sql.standing_leases("w1", [job.lease_id])) == {job.lease_id: []}
        assert datetime.now(UTC) - began < timedelta(seconds=2)


# 5. Release is in the flush above. 6. The database's clock


def test_an_id_of_a_wrong_clock_is_stamped_anew_and_the_new_one_returned(pool: Pool, db: Db) -> None:
    old = "01234567-89ab-7cde-8f01-23456789abcd"
    [job_id] = pool.run(sql.enqueue([NewJob(id=old, queue="default", task="t")]))
    assert job_id != old
    assert job_id[14:] == old[14:]
    assert abs(id_time(job_id) - datetime.now(UTC)) < timedelta(minutes=1)
    assert claim(pool)[0].job_id == job_id


def test_a_delay_counts_from_the_enqueue_not_from_the_callers_begin(db: Db, migrated_url: str) -> None:
    with psycopg.connect(migrated_url) as conn:
        conn.execute("select pg_sleep(0.3)")
        job = NewJob(id=IDS.make(), queue="default", task="t", delay=0.2)
        conn.execute(sql.ENQUEUE.text, {"jobs": sql.enqueue_payload([job], ring=True)})
        ahead = conn.execute("select run_at > clock_timestamp() from pgflow.scheduled").fetchone()
    assert ahead == (True,)


def test_a_time_past_is_now(pool: Pool) -> None:
    put(pool, run_at=datetime(2001, 1, 1, tzinfo=UTC))
    [job] = claim(pool)
    assert job.waited < 60


# 7. One order of locks


def test_flushes_reapers_and_heartbeats_on_shared_rows_never_deadlock(pool: Pool, db: Db, migrated_url: str) -> None:
    put(pool, 400)
    batches = [claim(pool, 20, worker="w1") for _ in range(20)]
    stop = threading.Event()
    before = _deadlocks(db)

    def beat() -> None:
        with_pool = Pool(migrated_url, size=1)
        leases = [batch[0].lease_id for batch in batches]
        while not stop.is_set():
            with_pool.run(sql.extend_leases("w1", leases[::-1], 30))
        with_pool.close()

    def reap() -> None:
        with_pool = Pool(migrated_url, size=1)
        while not stop.is_set():
            with_pool.run(sql.reap())
        with_pool.close()

    threads = [threading.Thread(target=beat), threading.Thread(target=reap), threading.Thread(target=reap)]
    for thread in threads:
        thread.start()
    try:
        with ThreadPoolExecutor(3) as flushers:
            list(flushers.map(lambda batch: finish(pool, [ended(job) for job in batch[::-1]]), batches))
    finally:
        stop.set()
        for thread in threads:
            thread.join(10)
    assert _deadlocks(db) == before
    assert set(states(db).values()) == {"succeeded"}


def _deadlocks(db: Db) -> int:
    return int(db.execute("select deadlocks from pg_stat_database where datname = current_database()").fetchone()[0])


# 9. The head of the queue can be full of the dead


def test_a_claim_from_the_mark_goes_on_behind_the_last_claimed_entry(pool: Pool) -> None:
    ids = put(pool, 6)
    first = pool.run(claims.claim("default", "w1", claims.new_lease_id(), [], 3, 30, mark=claims.HEAD, suspects=True))
    urgent = put(pool, priority=9)
    assert first.mark is not None
    second = claim(pool, 2, mark=first.mark)
    assert [job.job_id for job in second] == ids[3:5]
    assert [job.job_id for job in claim(pool)] == [*urgent, ids[5]]


# 10. Nothing that cannot run stands in the path of what can


def test_what_is_not_due_is_not_in_ready(pool: Pool, db: Db) -> None:
    put(pool, 3, delay=60.0)
    assert (count(db, "ready"), count(db, "scheduled")) == (0, 3)
    assert claim(pool) == []


# 11. NOTIFY is a hint


def test_an_enqueue_rings_once_a_queue_and_not_where_every_worker_has_promised_to_poll(
    pool: Pool, migrated_url: str
) -> None:
    with psycopg.connect(migrated_url, autocommit=True) as ear:
        ear.execute("listen pgflow")
        put(pool, 5)
        assert list(ear.notifies(timeout=0.2)) == []  # no worker to wake
        beat(pool)
        put(pool, 5)
        assert [note.payload for note in ear.notifies(timeout=5, stop_after=1)] == ["default"]
        pool.run(sql.promise("w1", 30))
        put(pool, 5)
        assert list(ear.notifies(timeout=0.2)) == []
        payload = sql.enqueue_payload([NewJob(id=IDS.make(), queue="default", task="t")], ring=True)
        ear.execute(sql.ENQUEUE.text, {"jobs": payload})
        assert [note.payload for note in ear.notifies(timeout=5, stop_after=1)] == ["default"]


def beat(pool: Pool) -> None:
    """Let a worker of the default queue be known."""
    status = {
        "busy": 0.0, "pid": 1, "slots": 1, "running": 0, "stopping": False, "host": "h", "version": "0",
        "backend": "asyncio", "queues": ["default"], "tasks": [], "long_running": "[]",
    }  # fmt: skip
    pool.run(sql.beat("w1", status))


# 12. Cancel


@pytest.mark.parametrize("outcome", [failed, lambda job: ended(job, OutcomeKind.SNOOZED, delay=5.0)])
def test_a_wish_to_cancel_turns_what_would_come_back_into_cancelled(
    pool: Pool, db: Db, outcome: Callable[[Any], Any]
) -> None:
    [job_id] = put(pool)
    [job] = claim(pool)
    db.execute("insert into pgflow.cancellations (job_id) values (%s)", [job_id])
    finish(pool, [outcome(job)])
    assert states(db)[job_id] == "cancelled"
    assert count(db, "cancellations") + count(db, "scheduled") + count(db, "ready") == 0


def test_a_lost_job_that_someone_cancelled_does_not_come_back(pool: Pool, db: Db) -> None:
    [job_id] = put(pool)
    claim(pool)
    db.execute("insert into pgflow.cancellations (job_id) values (%s)", [job_id])
    lapse(db)
    pool.run(sql.reap())
    assert states(db)[job_id] == "cancelled"
    assert count(db, "cancellations") == 0


# 18. An enqueue lives and dies with the caller's transaction


def test_a_rolled_back_enqueue_leaves_nothing_in_any_table(db: Db, migrated_url: str) -> None:
    tables = [
        row[0]
        for row in db.execute(
            "select relname from pg_class where relnamespace = 'pgflow'::regnamespace and relkind in ('r', 'p')"
        )
    ]
    before = {table: count(db, table) for table in tables}
    with psycopg.connect(migrated_url) as conn:
        new = [
            NewJob(id=job_id, queue="default", task="t", delay=delay)
            for job_id, delay in zip(IDS.make_many(2), (None, 9.0), strict=True)
        ]
        conn.execute(sql.ENQUEUE.text, {"jobs": sql.enqueue_payload(new, ring=True)})
        conn.rollback()
    assert {table: count(db, table) for table in tables} == before


def test_an_enqueue_repeated_after_a_lost_answer_stores_the_job_once(pool: Pool, db: Db) -> None:
    statement = sql.enqueue([NewJob(id=IDS.make(), queue="default", task="t")])
    assert pool.run(statement) == pool.run(statement)
    assert (count(db, "jobs"), count(db, "ready")) == (1, 1)
    claim(pool)
    pool.run(statement)
    assert count(db, "ready") == 0


# Plans: a prepared claim must never sort a backlog


def test_a_claim_reads_a_long_queue_by_its_index_and_sorts_none_of_it(pool: Pool, db: Db) -> None:
    put(pool, 3000)
    statement = claims.claim("default", "w1", claims.new_lease_id(), [], 10, 30, mark=claims.HEAD, suspects=True)
    lines = plan(db, statement)
    scan = next(line for line in lines if "on ready r " in line)
    assert scan.startswith("->  Index Scan using ready_pkey")
    assert re.search(r"rows=10\b", scan.split("actual")[1])
    # nobody sorts what it gives: a nested loop keeps the order of the entries
    assert lines[0].startswith("Nested Loop Left Join")


def test_jobs_of_a_claim_come_in_order_whichever_lease_they_are_under(pool: Pool) -> None:
    low, lone = put(pool, 2, priority=1), put(pool, 1, priority=5, max_attempts=1)
    high, last = put(pool, 2, priority=9), put(pool, 1, max_attempts=1)
    jobs = claim(pool)
    assert [job.job_id for job in jobs] == [*high, *lone, *low, *last]
    assert len({job.lease_id for job in jobs}) == 3
