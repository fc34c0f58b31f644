"""Tells what happened to one job, in time order, from what is on record; it guesses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.codes import ErrorCode
from pgflow.ids import id_time
from pgflow.model import OutcomeKind
from pgflow.store.admin import look
from pgflow.store.admin.facts import facts
from pgflow.views import Timeline, TimelineEvent

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pgflow.model import Attempt, JobRow
    from pgflow.store.admin import Run
    from pgflow.store.admin.facts import Facts
    from pgflow.views import DeadLetter, DecisionRow

COME_BACK: Final = frozenset({OutcomeKind.FAILED, OutcomeKind.LOST, OutcomeKind.SNOOZED})
# where several happened at one instant, what comes first: enqueued, its judgement, runs, what became of it
ORDER: Final = ("enqueued", "decision", "claimed", "started")
LAST: Final = ("retry", "replayed", "discarded")


def timeline(run: Run, job_id: object) -> Timeline:
    """Tell what happened to a job. Raises `JobNotFoundError`.

    `attempts` holds every hand-over on record; a released one counts as an event, not as a run.
    """
    row = run(look.job(job_id))
    attempts = run(look.attempts(row.id))
    around = run(facts(row.id))
    decisions = run(look.decisions_of(row.id, waited=_waited(row, attempts, around)))
    events = [
        _enqueued(row),
        *(_decision(made, row) for made in decisions),
        *(event for attempt in attempts for event in _of_attempt(attempt, row)),
        *_of_now(row, around),
        *_of_letter(run(look.dead_letter(row.id))),
    ]
    return Timeline(row, attempts, sorted(events, key=_place))


def _enqueued(row: JobRow) -> TimelineEvent:
    asked = {"queue": row.queue, "task": row.task, "priority": row.priority or None, "replay_of": row.replay_of}
    delayed = row.run_at if row.run_at > row.created_at else None
    return _event(row.created_at, "enqueued", **asked, run_at=delayed, expires_at=row.expires_at)


def _waited(row: JobRow, attempts: list[Attempt], around: Facts) -> tuple[datetime, datetime]:
    # from when it could have run to its first hand-over that was not given back, its end, or now
    begun = [a.started_at for a in attempts if a.started_at and a.outcome is not OutcomeKind.RELEASED]
    first = min(begun) if begun else around.claimed_at or row.finished_at or around.now
    return max(row.created_at, row.run_at), first


def _decision(made: DecisionRow, row: JobRow) -> TimelineEvent:
    said = {"decision": made.decision, "reason_code": made.reason_code, "details": made.details}
    often = {"count": made.count, "last_at": made.last_at} if made.count > 1 else {}
    # a queue that was being held back already when the job came: the job met that as it came
    return _event(max(made.created_at, row.created_at), "decision", kind=made.kind, **said, **often)


def _of_attempt(attempt: Attempt, row: JobRow) -> Iterator[TimelineEvent]:
    about = {"attempt_no": attempt.attempt, "worker_id": attempt.worker_id}
    error = {"error_code": attempt.error_code, "error_message": attempt.error_message}
    released = attempt.outcome is OutcomeKind.RELEASED
    if attempt.started_at and not released:
        # of a lost hand-over only its claim is known: whether it ever started is not
        yield _event(attempt.started_at, "claimed" if attempt.outcome is OutcomeKind.LOST else "started", **about)
    asked_for = released and attempt.error_code == ErrorCode.RUN_NOW
    reason = row.reason_code if attempt.outcome is OutcomeKind.DEAD and attempt.attempt == row.attempt else None
    yield _event(attempt.finished_at, "run_now" if asked_for else attempt.outcome, **about, **error, reason_code=reason)
    if attempt.outcome in COME_BACK and attempt.next_run_at:
        yield _event(attempt.finished_at, "retry", attempt_no=attempt.attempt + 1, run_at=attempt.next_run_at)


def _of_now(row: JobRow, around: Facts) -> Iterator[TimelineEvent]:
    if around.claimed_at:
        yield _event(around.claimed_at, "claimed", attempt_no=row.attempt, worker_id=around.holder)
    if around.asked_at:
        yield _event(around.asked_at, "cancel_asked", by=around.asked_by)


def _of_letter(letter: DeadLetter | None) -> Iterator[TimelineEvent]:
    if letter and letter.replayed_as:
        yield _event(id_time(letter.replayed_as), "replayed", new_job_id=letter.replayed_as)
    if letter and letter.discarded_at:
        yield _event(letter.discarded_at, "discarded")


def _event(at: datetime, event: str, **details: object) -> TimelineEvent:
    return TimelineEvent(at, str(event), {name: value for name, value in details.items() if value is not None})


def _place(event: TimelineEvent) -> tuple[datetime, int]:
    known = event.event in ORDER
    return event.at, ORDER.index(event.event) if known else len(ORDER) + (event.event in LAST)
