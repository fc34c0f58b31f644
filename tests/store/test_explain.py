"""Explaining: the sentence of every state is read, and the timeline tells the same in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import moving
import pytest

from pgflow.errors import JobNotFoundError
from pgflow.model import OutcomeKind, State
from pgflow.store import jobs
from pgflow.store.admin import act, explain, wording

if TYPE_CHECKING:
    import psycopg

    from pgflow.store.pool import Pool
    from pgflow.views import Explanation, Timeline

ABSENT = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"


def explained(pool: Pool, job_id: str, state: State) -> Explanation:
    found = pool.together(lambda run: explain.explain(run, job_id))
    assert found.state is found.parts["state"] is state
    assert found.paragraph.startswith(f"Job {job_id} (t) ")
    assert found.paragraph.endswith(".")
    return found


def told(pool: Pool, job_id: str) -> Timeline:
    return pool.together(lambda run: explain.timeline(run, job_id))


def live_worker(db: psycopg.Connection[Any], *, tasks: str = "{t}", age: int = 0) -> None:
    db.execute(
        "insert into pgflow.workers values ('w1', now(), now() - %s * interval '1 s', null, 1, 5, 2, false, 'h', '1',"
        " 'asyncio', '{q}', %s, '[]') on conflict (id) do update set tasks = excluded.tasks",
        [age, tasks],
    )


def test_a_queued_job_knows_its_place(pool: Pool, db: psycopg.Connection[Any]) -> None:
    live_worker(db)
    first, second = moving.one(pool), moving.one(pool, expires_in=60.0)
    assert "ready for under 1 s: it is next. A worker takes it" in explained(pool, first, State.QUEUED).paragraph
    found = explained(pool, second, State.QUEUED)
    assert "1 before it" in found.paragraph
    assert "It expires where it has not started by" in found.paragraph
    assert (found.parts["place_in_queue"], found.parts["blocked_by"], found.parts["suggested_action"]) == (2, [], None)


def test_a_queued_job_says_what_stands_in_its_way(pool: Pool, db: psycopg.Connection[Any]) -> None:
    job_id = moving.one(pool)
    live_worker(db, age=60)
    found = explained(pool, job_id, State.QUEUED)
    assert "No live worker takes queue q: start one with `pgflow worker -Q q`." in found.paragraph
    db.execute("delete from pgflow.workers")
    live_worker(db, tasks="{other}")
    found = explained(pool, job_id, State.QUEUED)
    assert "The one live worker of queue q does not know the task t" in found.paragraph
    pool.run(act.pause("q", "a deploy"))
    found = explained(pool, job_id, State.QUEUED)
    assert "Queue q is paused for under 1 s (a deploy): nothing of it starts" in found.paragraph
    assert found.parts["blocked_by"] == ["QUEUE_PAUSED", "TASK_UNKNOWN"]
    assert found.parts["suggested_action"] == "Resume the queue with `pgflow queues resume q`."


def test_a_job_asked_to_be_cancelled_says_by_whom(pool: Pool) -> None:
    job_id = moving.one(pool)
    moving.claim(pool)
    pool.together(lambda run: act.cancel(run, job_id, by="ann"))
    assert "ann asked for it to be cancelled" in explained(pool, job_id, State.RUNNING).paragraph
    assert [event.event for event in told(pool, job_id).events] == ["enqueued", "claimed", "cancel_asked"]


def test_a_scheduled_job_says_until_when_and_why(pool: Pool) -> None:
    delayed = moving.one(pool, delay=120.0)
    assert "it was enqueued to run at" in (text := explained(pool, delayed, State.SCHEDULED).paragraph)
    assert "(in 2 min)" in text
    snoozed = moving.one(pool)
    job = moving.claim(pool)[0]
    moving.finish(pool, job, OutcomeKind.SNOOZED, delay=60, error_code="SNOOZED", error_message="too early")
    found = explained(pool, snoozed, State.SCHEDULED)
    assert "it snoozed itself (too early) until" in found.paragraph
    assert found.parts["times_snoozed"] == 1
    events = told(pool, snoozed).events
    assert [event.event for event in events] == ["enqueued", "started", "snoozed", "retry"]
    stranger = moving.one(pool)
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.RELEASED, delay=5, error_code="UNKNOWN_TASK")
    found = explained(pool, stranger, State.SCHEDULED)
    assert "w1 does not know its task and put it off" in found.paragraph
    assert "That has happened once" in found.paragraph
    assert found.parts["unknown_task_releases"] == 1


def test_a_retrying_job_names_its_last_error_and_what_is_spent(pool: Pool) -> None:
    job_id = moving.fail(pool, max_attempts=4)
    found = explained(pool, job_id, State.RETRYING)
    assert "run 1 ended with UNKNOWN: boom. 1 of 4 failures are spent; the next run is due at" in found.paragraph
    pool.together(lambda run: act.retry(run, job_id))
    assert "Someone asked for it to run now" in explained(pool, job_id, State.QUEUED).paragraph
    events = told(pool, job_id).events
    assert [event.event for event in events] == ["enqueued", "started", "failed", "retry", "run_now"]


def test_a_lost_job_is_called_a_suspect_not_guilty(pool: Pool) -> None:
    job_id = moving.one(pool)
    moving.claim(pool)
    moving.lapse(pool)
    found = explained(pool, job_id, State.RETRYING)
    assert "worker w1 stopped answering while it held the job. Whether it had started is not known" in found.paragraph
    assert (found.parts["suspect"], found.parts["times_lost"], found.parts["failures"]) == (True, 1, 0)
    assert [event.event for event in told(pool, job_id).events] == ["enqueued", "claimed", "lost", "retry"]
    pool.together(lambda run: act.retry(run, job_id))
    moving.claim(pool)
    assert "It is a suspect, held alone" in explained(pool, job_id, State.RUNNING).paragraph


def test_a_running_job_names_its_holder_and_its_lease(pool: Pool, db: psycopg.Connection[Any]) -> None:
    job_id = moving.one(pool, timeout=30.0)
    moving.claim(pool)
    found = explained(pool, job_id, State.RUNNING)
    assert "w1 has held it for under 1 s, as run 1. Its lease holds until" in found.paragraph
    assert "A run that takes over 30 s is stopped." in found.paragraph
    assert found.parts["worker_id"] == "w1"
    db.execute("update pgflow.leases set expires_at = clock_timestamp() - interval '2 s'")
    assert "the next reaper takes it back" in explained(pool, job_id, State.RUNNING).paragraph


def test_a_succeeded_job_counts_its_failures(pool: Pool) -> None:
    job_id = moving.fail(pool, delay=0.0)
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.SUCCEEDED)
    text = explained(pool, job_id, State.SUCCEEDED).paragraph
    assert "in run 2 on worker w1. It had failed or been lost once before. Nothing more happens." in text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("MAX_ATTEMPTS_EXCEEDED", "(all 25 failures it was allowed are spent)"),
        ("NON_RETRYABLE", "another try is of no use"),
        ("UNKNOWN_TASK", "do not know its task"),
        ("WORKER_CRASHED", "were lost"),
    ],
)
def test_a_dead_job_says_why_it_gave_up(pool: Pool, reason: str, words: str) -> None:
    job_id = moving.die(pool, reason=reason)
    found = explained(pool, job_id, State.DEAD)
    assert f", {reason} (" in found.paragraph
    assert words in found.paragraph
    assert "Its last error was UNKNOWN: boom. It stays a dead letter until it is retried, discarded" in found.paragraph
    assert (found.parts["reason_code"], found.parts["error_code"]) == (reason, "UNKNOWN")
    assert found.parts["suggested_action"] == "Read the traceback, fix the task, then replay."


def test_a_dead_job_says_what_became_of_its_letter(pool: Pool) -> None:
    replayed, closed = moving.die(pool), moving.die(pool)
    new_job = pool.run(act.source(replayed)).new_job(moving.IDS.make())
    new_id = pool.together(lambda run: act.replay(run, new_job))
    pool.together(lambda run: act.discard(run, closed))
    assert f"It was replayed as {new_id}." in explained(pool, replayed, State.DEAD).paragraph
    assert "Its dead letter was discarded under 1 s ago." in explained(pool, closed, State.DEAD).paragraph
    assert [event.event for event in told(pool, replayed).events] == ["enqueued", "started", "dead", "replayed"]
    assert told(pool, closed).events[-1].event == "discarded"
    assert told(pool, new_id).events[0].details["replay_of"] == replayed


def test_a_cancelled_job_says_by_whom(pool: Pool) -> None:
    job_id = moving.one(pool)
    pool.together(lambda run: act.cancel(run, job_id, by="ann"))
    assert "before it ran: cancelled by ann." in explained(pool, job_id, State.CANCELLED).paragraph
    stopped = moving.one(pool)
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.CANCELLED, error_code="CANCELLED")
    assert "run 1 was stopped or not begun" in explained(pool, stopped, State.CANCELLED).paragraph


def test_an_expired_job_says_what_it_missed(pool: Pool) -> None:
    job_id = moving.one(pool, expires_in=0.001)
    job = moving.claim(pool)[0]
    moving.finish(pool, job, OutcomeKind.EXPIRED, error_code="EXPIRED")
    found = explained(pool, job_id, State.EXPIRED)
    assert "expired: it had to start by" in found.paragraph
    assert "add workers" in str(found.parts["suggested_action"])


def test_a_queued_job_remembers_what_came_before(pool: Pool) -> None:
    failed = moving.fail(pool, delay=0.0)
    assert "Its last run ended with UNKNOWN: boom; 1 of 25" in explained(pool, failed, State.QUEUED).paragraph
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.RELEASED, delay=0.0, error_code="SHUTDOWN", spent=1)
    assert "w1 handed it back unstarted (SHUTDOWN)" in explained(pool, failed, State.QUEUED).paragraph
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.SNOOZED, delay=0.0, spent=1)
    assert "It had snoozed itself" in explained(pool, failed, State.QUEUED).paragraph


def test_a_timeline_holds_decisions_in_their_place(pool: Pool) -> None:
    job_id = moving.one(pool)
    pool.run(act.decide("policy", "q", "held", "QUEUE_PAUSED", job_id=job_id))
    job = moving.claim(pool)[0]
    pool.run(jobs.extend_leases("w1", [job.lease_id], 60))
    found = told(pool, job_id)
    assert [event.event for event in found.events] == ["enqueued", "decision", "claimed"]
    assert found.events[1].details["reason_code"] == "QUEUE_PAUSED"
    assert found.events == sorted(found.events, key=lambda event: event.at)


def test_a_missing_job_cannot_be_explained(pool: Pool) -> None:
    for tell in (explain.explain, explain.timeline):
        with pytest.raises(JobNotFoundError, match=ABSENT):
            pool.together(lambda run, tell=tell: tell(run, ABSENT))


def test_lengths_of_time_are_written_in_their_largest_unit() -> None:
    lengths = (0.2, 3, 90, 5400, -172_800)
    assert [wording.span(seconds) for seconds in lengths] == ["under 1 s", "3 s", "1.5 min", "1.5 h", "2 d"]
