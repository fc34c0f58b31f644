"""Two workers, or a worker and upkeep, in each other's way: one is uncommitted while the other asks."""

from __future__ import annotations

from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Any

import pytest

from chaos.meetings import claiming, due, finishing, ids
from chaos.sessions import Db, meet
from moves import IDS, claim, count, ended, failed, finish, lapse, put, states
from moves import dead as died
from pgflow.model import Claimed, NewJob, OutcomeKind
from pgflow.store import buckets, claims, limited, turns
from pgflow.store import jobs as sql
from pgflow.store.statement import Statement

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.model import Outcome
    from pgflow.store.pool import Pool

ENDS: dict[str, tuple[Callable[[Claimed], Outcome], str]] = {
    "succeeds": (ended, "succeeded"),
    "fails": (failed, "queued"),
    "dies": (died, "dead"),
    "snoozes": (lambda job: ended(job, OutcomeKind.SNOOZED, delay=60.0), "scheduled"),
    "is released": (lambda job: ended(job, OutcomeKind.RELEASED, delay=0.0), "queued"),
}


@pytest.fixture(params=ENDS)
def end(request: pytest.FixtureRequest) -> tuple[Callable[[Claimed], Outcome], str]:
    return ENDS[request.param]


def today() -> str:
    return buckets.name_of("day", datetime.now(UTC))


def test_a_claim_passes_by_what_another_has_taken(pool: Pool, db: Db, commit: bool) -> None:
    jobs = put(pool, 3)
    met = meet(pool, claiming(2, "w1"), claiming(), commit=commit)
    assert (ids(met.first), ids(met.second), met.waited) == (jobs[:2], jobs[2:], False)
    assert list(states(db).values()).count("queued") == (0 if commit else 2)
    assert len(claim(pool)) == (0 if commit else 2)


def test_a_reaper_passes_by_a_lease_that_is_being_finished(
    pool: Pool, db: Db, commit: bool, end: tuple[Callable[[Claimed], Outcome], str]
) -> None:
    [job_id], [job] = put(pool), claim(pool)
    lapse(db)
    outcome, state = end
    met = meet(pool, finishing(outcome(job)), sql.reap(), commit=commit)
    assert met == (set(), [], False)
    assert states(db) == {job_id: state if commit else "running"}
    assert len(pool.run(sql.reap())) == (0 if commit else 1)
    assert count(db, "attempts") == 1


def test_a_word_behind_the_reapers_is_dropped(
    pool: Pool, db: Db, commit: bool, end: tuple[Callable[[Claimed], Outcome], str]
) -> None:
    [job_id], [job] = put(pool), claim(pool)
    lapse(db)
    outcome, state = end
    met = meet(pool, sql.reap(), finishing(outcome(job)), commit=commit)
    assert (met.second, met.waited) == ({(job_id, 1)} if commit else set(), True)
    assert states(db) == {job_id: "retrying" if commit else state}
    assert count(db, "attempts") == 1
    assert count(db, "ready") + count(db, "scheduled") == (1 if commit or state in ("queued", "scheduled") else 0)


def test_of_two_words_on_one_run_the_first_that_commits_stands(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, finishing(ended(job)), finishing(died(job)), commit=commit)
    assert (met.second, met.waited) == ({(job_id, 1)} if commit else set(), True)
    assert states(db) == {job_id: "succeeded" if commit else "dead"}
    assert count(db, "dead_letters") == (0 if commit else 1)


def test_flushes_of_two_runs_of_one_lease_both_count(pool: Pool, db: Db, commit: bool) -> None:
    put(pool, 2)
    one, two = claim(pool)
    first = sql.finish([ended(one)], [], monotonic())
    met = meet(pool, first, sql.finish([ended(two)], [], monotonic()), commit=commit)
    assert (met.second, met.waited) == (set(), True)
    assert sorted(map(str, states(db).values())) == (["succeeded"] * 2 if commit else ["running", "succeeded"])


def test_a_lapsed_lease_is_taken_back_once(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = put(pool)
    claim(pool)
    lapse(db)
    met = meet(pool, sql.reap(), sql.reap(), commit=commit)
    assert (met.second, met.waited) == ([], False)
    assert len(pool.run(sql.reap())) == (0 if commit else 1)
    assert states(db) == {job_id: "retrying"}
    assert count(db, "scheduled") == 1


def test_a_reaper_passes_by_a_lease_whose_heart_beats(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    lapse(db)
    met = meet(pool, sql.extend_leases("w1", [job.lease_id], 60), sql.reap(), commit=commit)
    assert (met.second, met.waited) == ([], False)
    assert len(pool.run(sql.reap())) == (0 if commit else 1)
    assert states(db) == {job_id: "running" if commit else "retrying"}


def test_a_heart_beats_past_a_lease_that_is_being_taken_back(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    lapse(db)
    met = meet(pool, sql.reap(), sql.extend_leases("w1", [job.lease_id], 60), commit=commit)
    assert not met.waited
    assert pool.run(sql.standing_leases("w1", [job.lease_id])) == ({} if commit else {job.lease_id: []})
    assert len(pool.run(sql.reap())) == (0 if commit else 1)
    assert states(db) == {job_id: "retrying"}


def test_a_flush_waits_for_a_heartbeat_and_ends_the_lease(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, sql.extend_leases("w1", [job.lease_id], 60), finishing(ended(job)), commit=commit)
    assert (met.second, met.waited) == (set(), True)
    assert states(db) == {job_id: "succeeded"}
    assert count(db, "leases") == 0


def test_a_heart_beats_past_a_lease_that_is_being_finished(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, finishing(ended(job)), sql.extend_leases("w1", [job.lease_id], 60), commit=commit)
    assert not met.waited
    assert states(db) == {job_id: "succeeded" if commit else "running"}
    assert count(db, "leases") == (0 if commit else 1)


def test_what_is_due_is_promoted_once(pool: Pool, db: Db, commit: bool) -> None:
    due(pool, db, 2)
    met = meet(pool, sql.promote(), sql.promote(), commit=commit)
    assert (met.first[0], met.second[0], met.waited) == (2, 0, False)
    assert pool.run(sql.promote())[0] == (0 if commit else 2)
    assert (count(db, "ready"), count(db, "scheduled")) == (2, 0)


def test_a_claim_that_is_under_way_is_not_read_back(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = put(pool)
    statement = claiming(1, "w1")
    met = meet(pool, statement, claims.recover("w1", [statement.params["leases"].strip("{}")]), commit=commit)
    assert (ids(met.second), met.waited) == ([], False)
    # the worker gives it up, and the reaper brings it back
    lapse(db)
    assert len(pool.run(sql.reap())) == (1 if commit else 0)
    assert states(db) == {job_id: "retrying" if commit else "queued"}


def limited_claim(run: Any) -> limited.Brought:
    limits = limited.Limits("default", "w1", 2, None)
    return limited.claim(run, limits, 5, claiming)


def test_of_two_claims_of_a_limited_queue_one_gives_way(pool: Pool, db: Db, commit: bool) -> None:
    put(pool, 5)
    pool.together(lambda run: limited.claim(run, limited.Limits("default", "w1", 2, None), 1, claiming))
    met = meet(pool, limited_claim, limited_claim, commit=commit)
    assert (len(met.first.jobs), met.second.busy, met.waited) == (1, True, False)
    assert len(pool.together(limited_claim).jobs) == (0 if commit else 1)
    assert list(states(db).values()).count("running") == 2


def test_the_first_two_claims_of_a_limited_queue_do_not_both_take_the_limit(pool: Pool, db: Db, commit: bool) -> None:
    put(pool, 5)
    met = meet(pool, limited_claim, limited_claim, commit=commit)
    assert (met.second.busy, len(met.second.jobs), met.waited) == (commit, 0 if commit else 2, True)
    assert list(states(db).values()).count("running") == 2


def test_a_turn_is_taken_once(pool: Pool, commit: bool) -> None:
    met = meet(pool, turns.take("reap", "w1", 60), turns.take("reap", "w2", 60), commit=commit)
    assert met == (True, not commit, True)
    assert pool.run(turns.whose("reap"))[0] == ("w1" if commit else "w2")  # type: ignore[index]


def test_a_bucket_is_not_removed_under_an_enqueue(pool: Pool, db: Db, commit: bool) -> None:
    assert buckets._create(pool, today())
    enqueue = sql.enqueue([NewJob(id=IDS.make(), queue="default", task="t")])
    met = meet(pool, enqueue, lambda: buckets.remove(pool, today()), commit=commit, gives_up=True)
    assert met.second is None  # it would have had to wait
    assert buckets.remove(pool, today()) == (1 if commit else 0)
    assert states(db) == (dict.fromkeys(met.first, "queued") if commit else {})


@pytest.mark.parametrize("act", ["claim", "finish", "reap"])
def test_a_bucket_is_not_removed_under_a_worker(pool: Pool, db: Db, commit: bool, act: str) -> None:
    assert buckets._create(pool, today())
    [job_id] = put(pool)
    statement: Any = claiming()
    if act != "claim":
        [job] = claim(pool)
        lapse(db)
        statement = sql.reap() if act == "reap" else finishing(failed(job))
    met = meet(pool, statement, lambda: buckets.remove(pool, today()), commit=commit, gives_up=True)
    assert met.second is None  # it would have had to wait
    assert buckets.remove(pool, today()) == 1
    state = {"claim": "running", "finish": "queued", "reap": "retrying"}[act]
    assert states(db) == {job_id: state if commit else "queued" if act == "claim" else "running"}
    assert count(db, "attempts") == (1 if commit and act != "claim" else 0)


def removing(run: Any) -> int:
    return int(run(Statement(buckets.REMOVE, {"name": today(), "drop": True}, lambda rows: rows[0][0])))


def test_an_enqueue_waits_for_a_bucket_to_be_removed_and_is_stored(pool: Pool, db: Db, commit: bool) -> None:
    assert buckets._create(pool, today())
    met = meet(pool, removing, sql.enqueue([NewJob(id=IDS.make(), queue="default", task="t")]), commit=commit)
    assert (met.first, met.waited) == (0, True)
    assert states(db) == dict.fromkeys(met.second, "queued")


def test_a_claim_and_a_flush_wait_for_a_bucket_to_be_removed(pool: Pool, db: Db, commit: bool) -> None:
    assert buckets._create(pool, today())
    ready, running = put(pool, 2)
    [job] = claim(pool, 1)
    met = meet(pool, removing, claiming(), commit=commit)
    assert (met.first, ids(met.second), met.waited) == (2, [running], True)
    assert finish(pool, [ended(job)]) == set()
    assert states(db) == {ready: "succeeded", running: "running"}
