"""A flush of plain successes is stored by a short statement: all of it or nothing, and then by the whole one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING

import psycopg
import pytest

from chaos.flushes import locks_leases_in_order, waits_for_a_lease
from chaos.sessions import Db, another, wait_for_waiting
from moves import claim, count, dead, ended, failed, flushed, lapse, put, states
from pgflow.ids import IdMaker
from pgflow.model import NewJob, OutcomeKind
from pgflow.store import flush, keys
from pgflow.store import jobs as sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.model import Claimed, Outcome
    from pgflow.store.pool import Pool


def succeed(pool: Pool, jobs: Sequence[Claimed], *, over: bool = True) -> bool:
    leases = list({job.lease_id for job in jobs}) if over else []
    return pool.run(flush.succeed([ended(job) for job in jobs], leases, monotonic()))


def store(pool: Pool, outcomes: Sequence[Outcome], *, over: bool = True) -> set[tuple[str, int]]:
    return flushed(pool, outcomes, list({o.job.lease_id for o in outcomes}) if over else [])


def test_what_succeeded_is_over_and_on_record(pool: Pool, db: Db) -> None:
    ids = put(pool, 3)
    assert succeed(pool, claim(pool))
    assert states(db) == dict.fromkeys(ids, "succeeded")
    assert count(db, "leases") == 0
    rows = db.execute(
        "select attempt, outcome::text, worker_id, extract(epoch from finished_at - started_at)::float, spent,"
        " error_code, abs(extract(epoch from now() - finished_at)) < 60 from pgflow.attempts"
    ).fetchall()
    assert rows == [(1, "succeeded", "w1", pytest.approx(0.001, abs=2e-5), None, None, True)] * 3


def test_a_lease_stands_until_it_is_said_to_be_over(pool: Pool, db: Db) -> None:
    put(pool, 2)
    first, second = claim(pool)
    assert succeed(pool, [first], over=False)
    assert count(db, "leases") == 1
    assert succeed(pool, [second])
    assert count(db, "leases") == 0


def test_nothing_is_stored_where_a_lease_is_gone(pool: Pool, db: Db) -> None:
    ids = put(pool, 2)
    gone, held = claim(pool, 1) + claim(pool, 1)
    db.execute("delete from pgflow.leases where id = %s", [gone.lease_id])
    assert not succeed(pool, [gone, held])
    assert (count(db, "attempts"), count(db, "leases"), count(db, "stats")) == (0, 1, 0)
    assert store(pool, [ended(gone), ended(held)]) == {(ids[0], 1)}
    assert states(db)[ids[1]] == "succeeded"


def test_nothing_is_stored_where_a_run_has_an_outcome_already(pool: Pool, db: Db) -> None:
    ids = put(pool, 2)
    jobs = claim(pool)
    store(pool, [dead(jobs[0])], over=False)
    with pytest.raises(psycopg.errors.UniqueViolation):
        succeed(pool, jobs)
    assert (count(db, "attempts"), count(db, "leases")) == (1, 1)
    assert store(pool, [ended(job) for job in jobs]) == {(ids[0], 1)}
    assert states(db) == {ids[0]: "dead", ids[1]: "succeeded"}
    assert dict(db.execute("select outcome::text, sum(count)::integer from pgflow.stats group by 1").fetchall()) == {
        "dead": 1, "succeeded": 1,
    }  # fmt: skip


def test_leases_of_two_workers_are_left_to_the_whole_statement(pool: Pool, db: Db) -> None:
    put(pool, 2)
    jobs = claim(pool, 1, worker="w1") + claim(pool, 1, worker="w2")
    assert not succeed(pool, jobs)
    assert store(pool, [ended(job) for job in jobs]) == set()
    assert sorted(db.execute("select worker_id from pgflow.attempts").fetchall()) == [("w1",), ("w2",)]


def test_it_waits_for_whoever_has_a_lease_and_writes_nothing_meanwhile(pool: Pool, db: Db, migrated_url: str) -> None:
    waits_for_a_lease(pool, db, migrated_url, store)


def test_it_locks_its_leases_in_order_of_their_ids(pool: Pool, db: Db, migrated_url: str) -> None:
    assert locks_leases_in_order(pool, db, migrated_url, succeed)


def test_a_reaper_behind_it_finds_nothing_to_take_back(pool: Pool, db: Db) -> None:
    put(pool, 2)
    jobs = claim(pool)
    succeed(pool, jobs[:1], over=False)
    lapse(db)
    assert [row[0] for row in pool.run(sql.reap())] == [jobs[1].job_id]


def test_statistics_are_the_same_by_either_way(pool: Pool, db: Db) -> None:
    read = (
        "select queue, task, outcome::text, sum(count)::integer, round(sum(wait_seconds)::numeric, 4),"
        " round(sum(run_seconds)::numeric, 4),"
        " array_agg(wait_histogram), array_agg(run_histogram) from pgflow.stats group by 1, 2, 3 order by 1, 2, 3"
    )
    put(pool, 4)
    put(pool, 3, queue="other", task="tests.other")
    outcomes = [
        ended(job._replace(waited=10.0**n / 1000))._replace(started=0.0, finished=2.0**n / 100)
        for n, job in enumerate(claim(pool) + claim(pool, queue="other"))
    ]
    tallies = []
    for made in (
        lambda: pool.run(sql.finish(outcomes, [], 50.0)) == set(),
        lambda: all(pool.run(flush.succeed(part, [], 50.0)) for part in (outcomes[:2], outcomes[2:])),
    ):
        db.execute("truncate pgflow.stats, pgflow.attempts")
        assert made()
        tallies.append(db.execute(read).fetchall())
    assert tallies[0] == tallies[1]


def test_a_wish_that_came_too_late_and_a_key_end_with_the_job(pool: Pool, db: Db) -> None:
    job = NewJob(id=IdMaker().make(), queue="default", task="tests.task", unique_key="k")
    pool.together(lambda run: keys.enqueue(run, [job]))
    jobs = claim(pool)
    db.execute("insert into pgflow.cancellations (job_id) values (%s)", [jobs[0].job_id])
    assert succeed(pool, jobs)
    assert (count(db, "cancellations"), count(db, "unique_keys")) == (0, 0)


def test_what_succeeded_beside_others_is_stored_with_them(pool: Pool, db: Db) -> None:
    put(pool, flush.SPLIT_FROM + 2)
    jobs = claim(pool)
    outcomes = [failed(jobs[0]), *map(ended, jobs[1:-1]), dead(jobs[-1])]
    assert store(pool, outcomes) == set()
    kinds = dict(db.execute("select outcome::text, sum(count)::integer from pgflow.stats group by 1").fetchall())
    assert kinds == {"failed": 1, "dead": 1, "succeeded": flush.SPLIT_FROM}
    assert (count(db, "attempts"), count(db, "leases"), count(db, "ready")) == (flush.SPLIT_FROM + 2, 0, 1)


@pytest.mark.parametrize("lost", ["lease", "run"])
def test_of_a_mixed_flush_only_what_another_hand_ended_is_dropped(pool: Pool, db: Db, lost: str) -> None:
    put(pool, flush.SPLIT_FROM + 3)
    jobs = claim(pool, 1) + claim(pool)
    if lost == "lease":
        db.execute("delete from pgflow.leases where id = %s", [jobs[0].lease_id])
    else:
        store(pool, [dead(jobs[0])])
    outcomes = [*map(ended, jobs[:-1]), failed(jobs[-1])]
    assert store(pool, outcomes) == {(jobs[0].job_id, 1)}
    succeeded = db.execute("select count(*) from pgflow.attempts where outcome = 'succeeded'").fetchone()
    assert succeeded == (flush.SPLIT_FROM + 1,)
    assert count(db, "leases") == 0


def test_a_mixed_flush_locks_its_leases_in_order_of_their_ids(pool: Pool, db: Db, migrated_url: str) -> None:
    put(pool, flush.SPLIT_FROM + 1)
    batches = sorted([claim(pool, 1), claim(pool)], key=lambda jobs: jobs[0].lease_id)
    first, last = batches
    few, many = sorted(batches, key=len)
    outcomes = [failed(few[0]), *map(ended, many)]
    with ThreadPoolExecutor(1) as threads, another(migrated_url) as other:
        other.execute("select from pgflow.leases where id = %s for update", [last[0].lease_id])
        flushing = threads.submit(store, pool, outcomes)
        wait_for_waiting(db)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            db.execute("select from pgflow.leases where id = %s for update nowait", [first[0].lease_id])
        other.rollback()
        assert flushing.result(10) == set()


@pytest.mark.parametrize("way", [failed, dead, lambda job: ended(job, OutcomeKind.SUCCEEDED, result="7")])
def test_whoever_has_more_to_tell_takes_the_whole_statement(pool: Pool, db: Db, way: object) -> None:
    put(pool, 2)
    jobs = claim(pool)
    assert store(pool, [ended(jobs[0]), way(jobs[1])]) == set()  # type: ignore[operator]
    kept = db.execute("select count(*) from pgflow.attempts where error_code is not null or result is not null")
    assert kept.fetchone() == (1,)
