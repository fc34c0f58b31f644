"""The short way of a flush in others' way, and they in its: one is uncommitted while the other asks."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

from chaos.sessions import Db, meet
from moves import claim, count, ended, failed, flushed, lapse, put, states
from moves import dead as died
from pgflow.store import flush
from pgflow.store import jobs as sql
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.model import Claimed, Outcome
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Statement

MIXED = flush.SPLIT_FROM + 1


def succeeding(*jobs: Claimed) -> Statement[bool]:
    return flush.succeed(list(map(ended, jobs)), list({job.lease_id for job in jobs}), monotonic())


def storing(pool: Pool, *outcomes: Outcome) -> Callable[[], set[tuple[str, int]]]:
    return lambda: flushed(pool, outcomes, list({o.job.lease_id for o in outcomes}))


def cancelling(job_id: str) -> Callable[..., list[str]]:
    return lambda run: [change.result for change in act.cancel_many(run, [job_id], by="ann")]


def test_a_reaper_passes_by_a_lease_that_succeeds(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    lapse(db)
    assert meet(pool, succeeding(job), sql.reap(), commit=commit) == (True, [], False)
    assert len(pool.run(sql.reap())) == (0 if commit else 1)
    assert states(db) == {job_id: "succeeded" if commit else "retrying"}


def test_a_success_behind_the_reapers_word_is_dropped(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    lapse(db)
    met = meet(pool, sql.reap(), storing(pool, ended(job)), commit=commit)
    assert (met.second, met.waited) == ({(job_id, 1)} if commit else set(), True)
    assert states(db) == {job_id: "retrying" if commit else "succeeded"}
    assert count(db, "attempts") == 1


def test_of_a_success_and_a_death_the_first_that_commits_stands(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    died_first = sql.finish([died(job)], [job.lease_id], monotonic())
    met = meet(pool, died_first, storing(pool, ended(job)), commit=commit)
    assert (met.second, met.waited) == ({(job_id, 1)} if commit else set(), True)
    assert states(db) == {job_id: "dead" if commit else "succeeded"}


def test_a_success_sent_again_while_the_first_is_under_way_counts_once(pool: Pool, db: Db, commit: bool) -> None:
    put(pool, 2)
    one, two = claim(pool)
    first = flush.succeed([ended(one)], [], monotonic())
    met = meet(pool, first, storing(pool, ended(one), ended(two)), commit=commit)
    assert (met.second, met.waited) == (set(), True)
    assert set(states(db).values()) == {"succeeded"}
    assert db.execute("select sum(count) from pgflow.stats").fetchone() == (2,)


def test_a_success_waits_for_a_heartbeat_and_ends_the_lease(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, sql.extend_leases("w1", [job.lease_id], 60), storing(pool, ended(job)), commit=commit)
    assert (met.second, met.waited) == (set(), True)
    assert (states(db), count(db, "leases")) == ({job_id: "succeeded"}, 0)


def test_a_heart_beats_past_a_lease_that_succeeds(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, succeeding(job), sql.extend_leases("w1", [job.lease_id], 60), commit=commit)
    assert not met.waited
    assert (states(db), count(db, "leases")) == ({job_id: "succeeded" if commit else "running"}, 0 if commit else 1)


def test_a_success_does_not_wait_for_a_wish(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, cancelling(job_id), storing(pool, ended(job)), commit=commit)
    assert (met.first, met.second, met.waited) == (["asked"], set(), False)
    assert states(db) == {job_id: "succeeded"}


def test_a_wish_does_not_wait_for_a_success(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, succeeding(job), cancelling(job_id), commit=commit)
    assert (met.second, met.waited) == (["asked"], False)
    if not commit:
        assert flushed(pool, [failed(job, 60.0)], [job.lease_id]) == set()
    assert states(db) == {job_id: "succeeded" if commit else "cancelled"}


def test_a_success_that_was_to_be_cancelled_stands_and_ends_the_wish(pool: Pool, db: Db) -> None:
    [job_id], [job] = put(pool), claim(pool)
    assert pool.together(cancelling(job_id)) == ["asked"]
    assert flushed(pool, [ended(job)], [job.lease_id]) == set()
    assert (states(db), count(db, "cancellations")) == ({job_id: "succeeded"}, 0)


@pytest.mark.parametrize("reaped", [True, False])
def test_a_mixed_flush_and_a_reaper_end_each_run_once(pool: Pool, db: Db, commit: bool, reaped: bool) -> None:
    put(pool, MIXED)
    jobs = claim(pool)
    lapse(db)
    outcomes = [*map(ended, jobs[1:]), failed(jobs[0], 60.0)]

    def mixed(run: Callable[[Statement[object]], object]) -> object:
        return flush.apart(outcomes[:-1], outcomes, [jobs[0].lease_id], monotonic(), run)

    if reaped:
        met = meet(pool, sql.reap(), storing(pool, *outcomes), commit=commit)
        assert (len(met.second), met.waited) == (MIXED if commit else 0, True)
    else:
        met = meet(pool, mixed, sql.reap(), commit=commit)
        assert (met.first, met.second, met.waited) == (set(), [], False)
        assert len(pool.run(sql.reap())) == (0 if commit else MIXED)
    assert count(db, "attempts") == MIXED
    assert count(db, "leases") == 0
