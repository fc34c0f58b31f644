"""People in the way of workers, of upkeep and of each other: one is uncommitted while the other asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from chaos.meetings import claiming, due, finishing, ids
from chaos.sessions import Db, meet
from moves import IDS, claim, count, ended, failed, finish, hasten, lapse, put, states
from moves import dead as died
from pgflow.model import OutcomeKind
from pgflow.store import forget, limited
from pgflow.store import jobs as sql
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.store.pool import Pool


def one_dead(pool: Pool, **fields: Any) -> str:
    [job_id] = put(pool, **fields)
    [job] = claim(pool)
    finish(pool, [died(job)])
    return job_id


def doing(what: Callable[..., Any], *job_ids: str) -> Callable[[Any], list[str]]:
    """Do something to jobs, and give the result of each."""

    def work(run: Any) -> list[str]:
        return [change.result for change in what(run, job_ids)]

    return work


def replaying(pool: Pool, *job_ids: str) -> Callable[[Any], dict[str, str]]:
    """Replay dead letters in bulk."""
    new_jobs = [source.new_job(IDS.make()) for source in pool.run(act.sources(job_ids))]
    return lambda run: act.replay_many(run, new_jobs)


def replaying_one(pool: Pool, job_id: str) -> Callable[[Any], str]:
    new_job = pool.run(act.source(job_id)).new_job(IDS.make())
    return lambda run: act.replay(run, new_job)


def wishes(db: Db) -> int:
    return count(db, "cancellations")


# Cancel


def test_a_claim_passes_by_what_is_being_cancelled(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = put(pool)
    met = meet(pool, doing(act.cancel_many, job_id), claiming(), commit=commit)
    assert (met.first, ids(met.second), met.waited) == (["cancelled"], [], False)
    assert states(db) == {job_id: "cancelled" if commit else "queued"}
    assert len(claim(pool)) == (0 if commit else 1)


def test_cancelling_what_is_being_claimed_leaves_a_wish(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = put(pool)
    met = meet(pool, claiming(), doing(act.cancel_many, job_id), commit=commit)
    assert (met.second, met.waited) == (["asked"], False)
    if commit:
        [job] = met.first.jobs
        assert pool.run(sql.standing_leases("w2", [job.lease_id])) == {job.lease_id: [job_id]}
    else:
        [job] = claim(pool)
        assert job.cancelled
    finish(pool, [failed(job)])
    assert (states(db), wishes(db)) == ({job_id: "cancelled"}, 0)


@pytest.mark.parametrize("delay", [0.0, 60.0])
def test_a_run_that_comes_back_while_it_is_cancelled_is_stopped_at_its_next_claim(
    pool: Pool, db: Db, commit: bool, delay: float
) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, doing(act.cancel_many, job_id), finishing(failed(job, delay)), commit=commit)
    assert (met.first, met.second, met.waited) == (["asked"], set(), False)
    hasten(db)
    pool.run(sql.promote())
    [again] = claim(pool)
    assert again.cancelled == commit
    finish(pool, [ended(again, OutcomeKind.CANCELLED if commit else OutcomeKind.SUCCEEDED)])
    assert (states(db), wishes(db)) == ({job_id: "cancelled" if commit else "succeeded"}, 0)


def test_cancelling_a_run_that_is_coming_back_leaves_a_wish(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, finishing(failed(job)), doing(act.cancel_many, job_id), commit=commit)
    assert (met.second, met.waited) == (["asked"], False)
    if commit:
        [job] = claim(pool)
        assert job.cancelled
    finish(pool, [failed(job)])
    assert (states(db), wishes(db)) == ({job_id: "cancelled"}, 0)


def test_a_wish_that_comes_too_late_kills_no_later_run(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    met = meet(pool, finishing(died(job)), doing(act.cancel_many, job_id), commit=commit)
    assert (met.second, met.waited) == (["asked"], False)
    if not commit:
        assert finish(pool, [died(job)]) == set()
    assert pool.together(doing(act.retry_many, job_id)) == ["retried"]
    [again] = claim(pool)
    assert (again.cancelled, wishes(db)) == (False, 0)


def test_cancelling_a_run_whose_end_heeds_the_wish_of_another_waits(pool: Pool, db: Db, commit: bool) -> None:
    [job_id], [job] = put(pool), claim(pool)
    pool.together(doing(act.cancel_many, job_id))
    met = meet(pool, finishing(failed(job)), doing(act.cancel_many, job_id), commit=commit)
    assert (met.second, met.waited) == (["refused" if commit else "asked"], True)
    assert (states(db), wishes(db)) == ({job_id: "cancelled" if commit else "running"}, 0 if commit else 1)


def test_what_waits_is_cancelled_once(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = put(pool)
    cancel = doing(act.cancel_many, job_id)
    met = meet(pool, cancel, cancel, commit=commit)
    assert (met.first, met.second, met.waited) == (["cancelled"], ["refused" if commit else "cancelled"], True)
    assert (states(db), wishes(db), count(db, "attempts")) == ({job_id: "cancelled"}, 0, 1)


def test_a_promotion_passes_by_what_is_being_cancelled(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = due(pool, db)
    met = meet(pool, doing(act.cancel_many, job_id), sql.promote(), commit=commit)
    assert (met.first, met.second[0], met.waited) == (["cancelled"], 0, False)
    assert states(db) == {job_id: "cancelled" if commit else "scheduled"}


def test_cancelling_what_is_being_promoted_leaves_a_wish(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = due(pool, db)
    met = meet(pool, sql.promote(), doing(act.cancel_many, job_id), commit=commit)
    assert (met.second, met.waited) == (["asked"], False)
    pool.run(sql.promote())
    [job] = claim(pool)
    assert job.cancelled
    finish(pool, [ended(job, OutcomeKind.CANCELLED)])
    assert (states(db), wishes(db)) == ({job_id: "cancelled"}, 0)


@pytest.mark.parametrize("reaper_first", [True, False])
def test_a_lost_run_that_is_cancelled_meanwhile_is_stopped_at_its_next_claim(
    pool: Pool, db: Db, commit: bool, reaper_first: bool
) -> None:
    [job_id] = put(pool)
    claim(pool)
    lapse(db)
    acts: list[Any] = [sql.reap(), doing(act.cancel_many, job_id)]
    met = meet(pool, *(acts if reaper_first else acts[::-1]), commit=commit)
    assert not met.waited
    pool.run(sql.reap())
    hasten(db)
    pool.run(sql.promote())
    found = claim(pool)
    heard = reaper_first or commit
    if reaper_first and not commit:  # the wish stood when the reaper came again
        assert (found, states(db)) == ([], {job_id: "cancelled"})
    else:
        assert [job.cancelled for job in found] == [heard]


# Retry, discard, replay


def test_a_dead_job_is_retried_once(pool: Pool, db: Db, commit: bool) -> None:
    job_id = one_dead(pool)
    retry = doing(act.retry_many, job_id)
    met = meet(pool, retry, retry, commit=commit)
    assert (met.first, met.second, met.waited) == (["retried"], ["refused" if commit else "retried"], True)
    assert (states(db), count(db, "ready"), count(db, "attempts")) == ({job_id: "queued"}, 1, 2)


def test_a_waiting_job_is_hastened_once(pool: Pool, db: Db, commit: bool) -> None:
    [job_id] = put(pool, delay=60.0)
    retry = doing(act.retry_many, job_id)
    met = meet(pool, retry, retry, commit=commit)
    assert (met.first, met.second, met.waited) == (["retried"], ["refused"], False)
    assert (states(db), count(db, "attempts")) == ({job_id: "queued" if commit else "scheduled"}, int(commit))


@pytest.mark.parametrize("promotion_first", [True, False])
def test_hastening_and_promoting_make_one_entry(pool: Pool, db: Db, commit: bool, promotion_first: bool) -> None:
    [job_id] = due(pool, db)
    acts: list[Any] = [sql.promote(), doing(act.retry_many, job_id)]
    met = meet(pool, *(acts if promotion_first else acts[::-1]), commit=commit)
    assert not met.waited
    pool.run(sql.promote())
    assert (states(db), count(db, "ready"), count(db, "scheduled")) == ({job_id: "queued"}, 1, 0)


def test_a_dead_letter_that_is_being_taken_for_a_retry_is_not_discarded(pool: Pool, db: Db, commit: bool) -> None:
    job_id = one_dead(pool)
    met = meet(pool, doing(act.retry_many, job_id), doing(act.discard_many, job_id), commit=commit)
    assert (met.second, met.waited) == (["refused" if commit else "discarded"], True)
    assert (states(db), count(db, "dead_letters")) == ({job_id: "queued" if commit else "dead"}, 0 if commit else 1)


def test_a_discarded_dead_letter_can_still_be_retried(pool: Pool, db: Db, commit: bool) -> None:
    job_id = one_dead(pool)
    met = meet(pool, doing(act.discard_many, job_id), doing(act.retry_many, job_id), commit=commit)
    assert (met.first, met.second, met.waited) == (["discarded"], ["retried"], True)
    assert (states(db), count(db, "dead_letters")) == ({job_id: "queued"}, 0)


def test_dead_letters_are_replayed_in_bulk_once_each(pool: Pool, db: Db, commit: bool) -> None:
    jobs = [one_dead(pool), one_dead(pool)]
    met = meet(pool, replaying(pool, *jobs), replaying(pool, *jobs), commit=commit)
    assert (set(met.first), set(met.second), met.waited) == (set(jobs), set() if commit else set(jobs), True)
    assert sorted(map(str, states(db).values())) == ["dead", "dead", "queued", "queued"]


def test_two_replays_of_one_job_are_two_jobs(pool: Pool, db: Db, commit: bool) -> None:
    job_id = one_dead(pool)
    met = meet(pool, replaying_one(pool, job_id), replaying_one(pool, job_id), commit=commit)
    assert met.waited
    assert list(states(db).values()).count("queued") == (2 if commit else 1)
    assert db.execute("select replayed_as::text from pgflow.dead_letters").fetchall() == [(met.second,)]


def test_what_is_being_retried_is_not_replayed_in_bulk(pool: Pool, db: Db, commit: bool) -> None:
    job_id = one_dead(pool)
    met = meet(pool, doing(act.retry_many, job_id), replaying(pool, job_id), commit=commit)
    assert (set(met.second), met.waited) == (set() if commit else {job_id}, True)
    assert count(db, "jobs") == (1 if commit else 2)


def test_what_was_replayed_can_be_retried_too(pool: Pool, db: Db, commit: bool) -> None:
    job_id = one_dead(pool)
    met = meet(pool, replaying(pool, job_id), doing(act.retry_many, job_id), commit=commit)
    assert (met.second, met.waited) == (["retried"], True)
    assert (count(db, "jobs"), count(db, "ready")) == ((2, 2) if commit else (1, 1))


@pytest.mark.parametrize("discard_first", [True, False])
def test_a_dead_letter_is_replayed_in_bulk_only_where_it_is_open(
    pool: Pool, db: Db, commit: bool, discard_first: bool
) -> None:
    job_id = one_dead(pool)
    acts: list[Any] = [doing(act.discard_many, job_id), replaying(pool, job_id)]
    met = meet(pool, *(acts if discard_first else acts[::-1]), commit=commit)
    assert met.waited
    replayed = not discard_first or not commit
    if not discard_first and not commit:
        replayed = False
    assert count(db, "jobs") == (2 if replayed else 1)


def test_a_dead_letter_that_is_being_taken_for_a_retry_is_not_forgotten(pool: Pool, db: Db, commit: bool) -> None:
    job_id = one_dead(pool)
    met = meet(
        pool, doing(act.retry_many, job_id),
        lambda: forget.forget(pool, "dead_letters", -60, goes_on=lambda: True), commit=commit,
    )  # fmt: skip
    assert (met.second, met.waited) == (0, False)
    assert (states(db), count(db, "dead_letters")) == ({job_id: "queued" if commit else "dead"}, 0 if commit else 1)


# Pause


def test_a_claim_does_not_wait_for_a_pause(pool: Pool, db: Db, commit: bool) -> None:
    jobs = put(pool, 2)
    met = meet(pool, act.pause("default"), claiming(1), commit=commit)
    assert (ids(met.second), met.waited) == (jobs[:1], False)
    assert len(claim(pool)) == (0 if commit else 1)


def test_a_pause_does_not_wait_for_a_claim(pool: Pool, db: Db, commit: bool) -> None:
    put(pool, 2)
    met = meet(pool, claiming(1), act.pause("default"), commit=commit)
    assert not met.waited
    assert claim(pool) == []
    assert list(states(db).values()).count("running") == int(commit)


@pytest.mark.parametrize("known", [True, False])
def test_a_claim_within_limits_heeds_a_pause_under_way(pool: Pool, commit: bool, known: bool) -> None:
    put(pool, 2)
    if known:
        pool.run(act.set_limits("default", max_in_flight=1))
    limits = limited.Limits("default", "w1", 1, None)
    met = meet(pool, act.pause("default"), lambda run: limited.claim(run, limits, 5, claiming), commit=commit)
    # it looks again a moment later: the row was another's when it asked for it
    assert (met.second.busy, met.waited) == (known or commit, True)
    assert len(pool.together(lambda run: limited.claim(run, limits, 5, claiming)).jobs) == (0 if commit else int(known))
