"""Acting: cancel, retry, replay and discard keep the fence, the keys and the counts, and refuse by name."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import moving
import pytest

from pgflow.errors import ArgumentError, JobNotFoundError, JobStateError
from pgflow.ids import IdMaker
from pgflow.model import OutcomeKind, State
from pgflow.store import jobs
from pgflow.store.admin import act, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    import psycopg

    from pgflow.store.pool import Pool

ABSENT = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"
IDS = IdMaker()


@pytest.fixture(autouse=True)
def the_stats_equal_a_recount_of_the_attempts(pool: Pool) -> Iterator[None]:
    yield
    assert moving.recount_differs(pool) == []


def state(pool: Pool, job_id: str) -> State:
    return pool.run(look.job(job_id)).state


def wishes(db: psycopg.Connection[Any]) -> list[str]:
    return [str(row[0]) for row in db.execute("select job_id from pgflow.cancellations").fetchall()]


def cancel(pool: Pool, job_id: str, by: str | None = None) -> str:
    return pool.together(lambda run: act.cancel(run, job_id, by=by)).result


def retry(pool: Pool, job_id: str) -> str:
    return pool.together(lambda run: act.retry(run, job_id)).result


def replay(pool: Pool, job_id: str, queue: str | None = None, run_at: datetime | None = None) -> str:
    new_job = pool.run(act.source(job_id)).new_job(IDS.make(), queue=queue, run_at=run_at)
    return pool.together(lambda run: act.replay(run, new_job))


@pytest.mark.parametrize("make", [moving.one, lambda pool: moving.one(pool, delay=60.0), moving.fail])
def test_cancelling_what_waits_ends_it_at_once(
    pool: Pool, db: psycopg.Connection[Any], make: Callable[[Pool], str]
) -> None:
    job_id = make(pool)
    assert cancel(pool, job_id, "ann") == "cancelled"
    job = pool.run(look.job(job_id))
    assert (job.state, job.error_code, job.error_message) == (State.CANCELLED, "CANCELLED", "cancelled by ann")
    assert wishes(db) == []
    assert moving.claim(pool) == []


def test_cancelling_what_runs_leaves_a_wish_for_its_worker(pool: Pool, db: psycopg.Connection[Any]) -> None:
    job_id = moving.one(pool)
    job = moving.claim(pool)[0]
    assert cancel(pool, job_id) == cancel(pool, job_id) == "asked"
    assert pool.run(jobs.standing_leases("w1", [job.lease_id])) == {job.lease_id: [job_id]}
    moving.finish(pool, job, OutcomeKind.FAILED, spent=1, delay=0.0)
    assert state(pool, job_id) is State.CANCELLED
    assert wishes(db) == []


def test_cancelling_what_was_promoted_or_came_back_finds_its_key(pool: Pool) -> None:
    promoted, failed = moving.one(pool, delay=0.001), moving.fail(pool, delay=0.0)
    pool.run(jobs.promote())
    assert state(pool, promoted) is state(pool, failed) is State.QUEUED
    assert cancel(pool, promoted) == cancel(pool, failed) == "cancelled"


def test_cancelling_an_entry_that_a_claim_has_locked_does_not_wait(pool: Pool, db: psycopg.Connection[Any]) -> None:
    job_id = moving.one(pool)
    with db.transaction():
        db.execute("select from pgflow.ready for update")
        assert cancel(pool, job_id) == "asked"
    assert moving.claim(pool)[0].cancelled


@pytest.mark.parametrize("make", [moving.succeed, moving.die])
def test_cancelling_what_has_ended_is_refused_and_leaves_no_wish(
    pool: Pool, db: psycopg.Connection[Any], make: Callable[[Pool], str]
) -> None:
    job_id = make(pool)
    with pytest.raises(JobStateError, match="only what has not ended") as caught:
        cancel(pool, job_id)
    assert caught.value.state == state(pool, job_id)
    assert wishes(db) == []


def test_many_are_cancelled_with_an_answer_for_each(pool: Pool) -> None:
    done, waiting = moving.succeed(pool), moving.one(pool)
    changes = pool.together(lambda run: act.cancel_many(run, [waiting, ABSENT, done]))
    assert [(c.job_id, c.result, c.state) for c in changes] == [
        (waiting, "cancelled", State.QUEUED), (ABSENT, "missing", None), (done, "refused", State.SUCCEEDED),
    ]  # fmt: skip
    assert pool.together(lambda run: act.cancel_many(run, [])) == []


def test_a_missing_job_is_an_error_for_every_act(pool: Pool) -> None:
    for wish in (act.cancel, act.retry, act.discard):
        with pytest.raises(JobNotFoundError, match=ABSENT):
            pool.together(lambda run, wish=wish: wish(run, ABSENT))
    with pytest.raises(JobNotFoundError, match=ABSENT):
        pool.run(act.source(ABSENT))


def test_a_dead_job_retried_gets_one_more_try(pool: Pool) -> None:
    job_id = moving.die(pool, max_attempts=3)
    assert retry(pool, job_id) == "retried"
    assert state(pool, job_id) is State.QUEUED
    assert pool.run(look.dead_letter(job_id)) is None
    job = moving.claim(pool)[0]
    assert (job.job_id, job.attempt, job.spent) == (job_id, 3, 2)
    moving.finish(pool, job, OutcomeKind.DEAD, spent=3, reason_code="MAX_ATTEMPTS_EXCEEDED")
    assert state(pool, job_id) is State.DEAD
    assert [a.outcome for a in pool.run(look.attempts(job_id))] == ["dead", "released", "dead"]


def test_a_dead_job_retried_can_be_cancelled_by_its_new_key(pool: Pool) -> None:
    job_id = moving.die(pool)
    retry(pool, job_id)
    assert cancel(pool, job_id) == "cancelled"


def test_a_job_that_died_of_crashes_comes_back_a_suspect(pool: Pool) -> None:
    job_id = moving.one(pool, max_attempts=1)
    moving.claim(pool)
    moving.lapse(pool)
    assert pool.run(look.job(job_id)).reason_code == "WORKER_CRASHED"
    retry(pool, job_id)
    assert moving.claim(pool)[0].suspect


@pytest.mark.parametrize(("make", "spent"), [(lambda pool: moving.one(pool, delay=60.0), 0), (moving.fail, 1)])
def test_a_waiting_job_runs_now_with_nothing_spent(pool: Pool, make: Callable[[Pool], str], spent: int) -> None:
    job_id = make(pool)
    assert retry(pool, job_id) == "retried"
    assert state(pool, job_id) is State.QUEUED
    assert (pool.run(look.job(job_id)).spent, moving.claim(pool)[0].spent) == (spent, spent)


@pytest.mark.parametrize("make", [moving.one, moving.succeed])
def test_what_is_queued_or_done_is_not_retried(pool: Pool, make: Callable[[Pool], str]) -> None:
    job_id = make(pool)
    with pytest.raises(JobStateError, match="replay makes a new job"):
        retry(pool, job_id)


def test_two_who_retry_one_dead_job_run_it_once(pool: Pool) -> None:
    job_id, results = moving.die(pool), list[bool]()

    def again() -> None:
        results.append(pool.together(lambda run: act.retry_many(run, [job_id]))[0].done)

    threads = [threading.Thread(target=again) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [False, False, False, True]
    assert len(moving.claim(pool, 9)) == 1


def test_retry_and_resume_ring_the_queues_doorbell(pool: Pool, db: psycopg.Connection[Any]) -> None:
    job_id = moving.die(pool)
    pool.run(act.pause("q"))
    db.execute("listen pgflow")
    retry(pool, job_id)
    assert pool.run(act.resume("q"))
    assert [n.payload for n in db.notifies(timeout=5, stop_after=2)] == ["q", "q"]


def test_a_replay_is_a_new_job_with_the_olds_request(pool: Pool) -> None:
    old = moving.die(pool, args="[1]", kwargs='{"a":"é"}', headers={"h": 1}, priority=3, max_attempts=4, timeout=9.0)
    new = replay(pool, old)
    before, after = pool.run(look.job(old)), pool.run(look.job(new))
    for name in ("queue", "task", "args", "kwargs", "headers", "priority", "max_attempts", "timeout"):
        assert getattr(after, name) == getattr(before, name)
    assert (after.state, after.replay_of, after.root_id, before.state) == (State.QUEUED, old, old, State.DEAD)
    letter = pool.run(look.dead_letter(old))
    assert letter is not None
    assert letter.replayed_as == new
    assert replay(pool, old, queue="q2") != new  # asked for by name, a replay may be repeated


def test_a_replay_of_a_replay_keeps_the_root(pool: Pool) -> None:
    old = moving.succeed(pool)
    middle = replay(pool, old)
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.SUCCEEDED)
    last = pool.run(look.job(replay(pool, middle, queue="q2")))
    assert (last.root_id, last.replay_of, last.queue) == (old, middle, "q2")


def test_what_goes_on_is_not_replayed(pool: Pool) -> None:
    with pytest.raises(JobStateError, match="is queued: only what has ended"):
        pool.run(act.source(moving.one(pool)))
    assert pool.run(act.sources([ABSENT])) == []


def test_many_dead_letters_are_replayed_once_each(pool: Pool) -> None:
    first, again, closed = moving.die(pool), moving.die(pool), moving.die(pool)
    replay(pool, again)
    pool.together(lambda run: act.discard(run, closed))
    made = [s.new_job(IDS.make()) for s in pool.run(act.sources([first, again, closed, first]))]
    new_ids = pool.together(lambda run: act.replay_many(run, made))
    assert list(new_ids) == [first]
    assert pool.run(look.job(new_ids[first])).replay_of == first
    assert pool.together(lambda run: act.replay_many(run, made)) == {}


def test_a_replay_stamped_anew_is_marked_under_the_id_it_got(pool: Pool) -> None:
    slow = IdMaker()
    slow.offset_seconds = -3600
    old = [moving.die(pool), moving.die(pool)]
    made = [s.new_job(slow.make()) for s in pool.run(act.sources(old))]
    new_ids = pool.together(lambda run: act.replay_many(run, made))
    for dead in old:
        letter = pool.run(look.dead_letter(dead))
        assert letter is not None
        assert letter.replayed_as == new_ids[dead] not in {job.id for job in made}


def test_a_discarded_dead_letter_is_closed_once(pool: Pool) -> None:
    job_id = moving.die(pool)
    assert pool.together(lambda run: act.discard(run, job_id)).result == "discarded"
    with pytest.raises(JobStateError, match="only an open dead letter"):
        pool.together(lambda run: act.discard(run, job_id))


def test_a_paused_queue_is_not_claimed_until_it_is_resumed(pool: Pool) -> None:
    moving.one(pool)
    pool.run(act.pause("q", "first"))
    since = pool.run(look.queues())[0].paused_at
    pool.run(act.pause("q", "second"))
    queue = pool.run(look.queues())[0]
    assert (queue.paused_reason, queue.paused_at) == ("second", since)
    assert moving.claim(pool) == []
    assert pool.run(act.resume("q"))
    assert not pool.run(act.resume("q"))
    assert len(moving.claim(pool)) == 1
    with pytest.raises(ArgumentError, match="is not a name"):
        act.pause("a b")


def test_a_reset_forgets_every_job(pool: Pool) -> None:
    moving.die(pool)
    moving.one(pool)
    pool.run(act.pause("q"))
    pool.run(act.reset())
    assert pool.together(look.listing).items == []
    assert pool.run(look.queues()) == []
    moving.one(pool)
    assert len(moving.claim(pool)) == 1
