"""Words for why a job is where it is: pure functions of what is known, one sentence to a fact."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

from pgflow.codes import DeadReason, ErrorCode, PolicyReason
from pgflow.model import OutcomeKind, State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from pgflow.model import Attempt, JobRow
    from pgflow.store.admin.facts import Facts
    from pgflow.views import DeadLetter

MESSAGE_SHOWN: Final = 200
UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"))


@dataclass(frozen=True)
class Case:
    """All that is known of one job."""

    job: JobRow
    attempts: list[Attempt]
    around: Facts
    letter: DeadLetter | None

    @cached_property
    def last(self) -> Attempt | None:
        """The last hand-over on record."""
        return self.attempts[-1] if self.attempts else None

    @cached_property
    def unknown_releases(self) -> int:
        """How often a worker that does not know the task has put the job off."""
        return sum(a.outcome is OutcomeKind.RELEASED and a.error_code == ErrorCode.UNKNOWN_TASK for a in self.attempts)

    @cached_property
    def held(self) -> tuple[str, str] | None:
        """Why a policy holds the queue of a queued job back: the code, and in words."""
        around = self.around
        if self.job.state is not State.QUEUED or around.paused:
            return None
        flying, most = around.in_flight, around.max_in_flight
        if flying is not None and most is not None and flying >= most:
            return PolicyReason.IN_FLIGHT_EXCEEDED, f"{flying} of at most {most} are in flight"
        made, most = around.last_minute, around.max_attempts_per_minute
        if made is not None and most is not None and made >= most:
            return PolicyReason.ATTEMPT_RATE_EXCEEDED, f"{made} of at most {most} attempts were made in the last minute"
        if around.held_code is None or around.held_code == PolicyReason.QUEUE_PAUSED:
            return None
        return around.held_code, f"{_short(around.held_reason) or 'no reason given'}, {_ago(self, around.held_at)} ago"

    @cached_property
    def blockers(self) -> list[tuple[str, str]]:
        """What keeps a waiting job from running, each with its remedy."""
        queue, task = self.job.queue, self.job.task
        unmanned = "TASK_UNKNOWN", f"Start a worker of queue {queue} whose app declares the task {task}."
        found = [
            (self.around.paused, ("QUEUE_PAUSED", f"Resume the queue with `pgflow queues resume {queue}`.")),
            (not self.around.workers, ("NO_WORKER", f"Start a worker with `pgflow worker -Q {queue}`.")),
            (self.around.workers and not self.around.knowing, unmanned),
        ]
        blockers = [blocker for holds, blocker in found if holds]
        if self.held:
            code = self.held[0]
            blockers.append((code, HELD_REMEDIES.get(code, HELD_REMEDY).format(queue=queue)))
        return blockers


def paragraph(case: Case) -> str:
    """Explain the job in one paragraph for a person."""
    return " ".join(SENTENCES[case.job.state](case))


def span(seconds: float) -> str:
    """Write a length of time in its largest unit."""
    whole = abs(seconds)
    for size, unit in UNITS:
        if whole >= size:
            return f"{whole / size:.3g} {unit}"
    return f"{whole:.3g} s" if whole >= 1 else "under 1 s"


def _queued(case: Case) -> Iterator[str]:
    row, around = case.job, case.around
    ahead = "it is next" if not around.before else f"{_number(around.before)} before it"
    yield f"{_name(row)} is queued in {row.queue}, ready for {_ago(case, around.ready_since)}: {ahead}."
    yield from _what_came_before(case)
    yield from _obstacles(case)
    if not case.blockers and not around.asked_at:
        yield "A worker takes it as soon as it has a free slot and nothing is before it."
    if row.expires_at:
        yield f"It expires where it has not started by {_at(case, row.expires_at)}."


def _scheduled(case: Case) -> Iterator[str]:
    last, due = case.last, _at(case, case.job.next_run_at)
    if last is None:
        yield f"{_name(case.job)} is scheduled: it was enqueued to run at {due}."
    elif last.outcome is OutcomeKind.SNOOZED:
        why = f" ({_short(last.error_message)})" if last.error_message else ""
        yield f"{_name(case.job)} is scheduled: it snoozed itself{why} until {due}, which spends no attempt."
    elif last.error_code == ErrorCode.UNKNOWN_TASK:
        often = _times(case.unknown_releases)
        yield f"{_name(case.job)} is scheduled: {last.worker_id} does not know its task and put it off until {due}."
        yield f"That has happened {often}; it spends nothing, but after an hour of it the job dies."
    else:
        yield f"{_name(case.job)} is scheduled: it was handed back ({last.error_code or last.outcome}) until {due}."
    yield from _obstacles(case)


def _retrying(case: Case) -> Iterator[str]:
    row, last, due = case.job, case.last, _at(case, case.job.next_run_at)
    if last is not None and last.outcome is OutcomeKind.LOST:
        yield f"{_name(row)} is retrying: worker {last.worker_id} stopped answering while it held the job."
        yield f"Whether it had started is not known, so it is a suspect: it runs again alone, at {due}."
    else:
        yield f"{_name(row)} is retrying: run {last.attempt if last else row.attempt} ended with {_error(last)}."
        yield f"{row.spent} of {row.max_attempts} failures are spent; the next run is due at {due}."
    yield from _obstacles(case)


def _running(case: Case) -> Iterator[str]:
    row, around = case.job, case.around
    holder = around.holder or row.worker_id
    yield f"{_name(row)} is running: {holder} has held it for {_ago(case, around.claimed_at)}, as run {row.attempt}."
    if around.suspect:
        yield "It is a suspect, held alone: a worker was lost with it before."
    if around.lease_until and around.lease_until < around.now:
        yield f"Its lease lapsed {_ago(case, around.lease_until)} ago: the next reaper takes it back and it runs again."
    else:
        yield f"Its lease holds until {_at(case, around.lease_until)}; heartbeats renew it."
        yield "Should they stop, the job is taken back then and runs again."
    if row.timeout is not None:
        yield f"A run that takes over {span(row.timeout)} is stopped."
    yield from _wish(case)


def _succeeded(case: Case) -> Iterator[str]:
    row = case.job
    yield f"{_name(row)} succeeded at {_at(case, row.finished_at)} in run {row.attempt} on worker {row.worker_id}."
    failed = sum(a.outcome in (OutcomeKind.FAILED, OutcomeKind.LOST) for a in case.attempts)
    if failed:
        yield f"It had failed or been lost {_times(failed)} before."
    yield "Nothing more happens."


def _dead(case: Case) -> Iterator[str]:
    row, letter = case.job, case.letter
    reason = letter.reason_code if letter else "its dead letter is pruned"
    why = DEAD_REASONS.get(reason, "").format(row=row)
    yield f"{_name(row)} is dead: it gave up at {_at(case, row.finished_at)}, {reason}{why}."
    yield f"Its last error was {_error(case.last)}."
    if letter and letter.replayed_as:
        yield f"It was replayed as {letter.replayed_as}."
    elif letter and letter.discarded_at:
        yield f"Its dead letter was discarded {_ago(case, letter.discarded_at)} ago."
    else:
        yield f"It stays a dead letter until it is retried, discarded or made a new job by `pgflow replay {row.id}`."


def _cancelled(case: Case) -> Iterator[str]:
    row = case.job
    said = row.error_message or "cancelled"
    run = f"run {row.attempt} was stopped or not begun" if row.worker_id else "before it ran"
    yield f"{_name(row)} is cancelled since {_at(case, row.finished_at)}, {run}: {_short(said)}."
    yield f"It does not run again; `pgflow replay {row.id}` makes a new job of it."


def _expired(case: Case) -> Iterator[str]:
    row = case.job
    yield f"{_name(row)} expired: it had to start by {_at(case, row.expires_at)},"
    yield f"and a worker came to it at {_at(case, row.finished_at)}."
    yield f"It does not run again; `pgflow replay {row.id}` makes a new job of it."


def _what_came_before(case: Case) -> Iterator[str]:
    last = case.last
    if last is None:
        return
    if last.error_code == ErrorCode.RUN_NOW:
        yield f"Someone asked for it to run now, {_ago(case, last.finished_at)} ago."
    elif last.outcome is OutcomeKind.LOST:
        yield f"Worker {last.worker_id} stopped answering while it held it, so it is a suspect and is claimed alone."
    elif last.error_code == ErrorCode.UNKNOWN_TASK:
        yield f"Workers that do not know its task have put it off {_times(case.unknown_releases)}."
    elif last.outcome is OutcomeKind.RELEASED:
        yield f"Worker {last.worker_id} handed it back unstarted ({last.error_code or 'released'})."
    elif last.outcome is OutcomeKind.SNOOZED:
        yield "It had snoozed itself, and its time has come."
    else:
        yield f"Its last run ended with {_error(last)}; {case.job.spent} of {case.job.max_attempts} failures are spent."


def _obstacles(case: Case) -> Iterator[str]:
    row, around = case.job, case.around
    if around.paused:
        why = f" ({_short(around.paused_reason)})" if around.paused_reason else ""
        since = f" for {_ago(case, around.paused_at)}" if around.paused_at else ""
        yield f"Queue {row.queue} is paused{since}{why}: nothing of it starts until it is resumed."
    if not around.workers:
        yield f"No live worker takes queue {row.queue}: start one with `pgflow worker -Q {row.queue}`."
    elif not around.knowing:
        takers = "The one live worker" if around.workers == 1 else f"None of the {around.workers} live workers"
        knows = "does not know" if around.workers == 1 else "knows"
        yield f"{takers} of queue {row.queue} {knows} the task {row.task}: start one whose app declares it."
    if case.held:
        yield f"Queue {row.queue} is held back: {case.held[0]} ({case.held[1]})."
    yield from _wish(case)


def _wish(case: Case) -> Iterator[str]:
    if case.around.asked_at:
        by = f"{case.around.asked_by} asked" if case.around.asked_by else "Someone asked"
        yield f"{by} for it to be cancelled {_ago(case, case.around.asked_at)} ago; the worker that has it ends it."


def _name(row: JobRow) -> str:
    return f"Job {row.id} ({row.task})"


def _error(last: Attempt | None) -> str:
    if last is None or not (last.error_code or last.error_message):
        return "no error on record"
    return ": ".join(part for part in (last.error_code, _short(last.error_message)) if part)


def _short(text: str | None) -> str:
    line = " ".join((text or "").split())
    return line if len(line) <= MESSAGE_SHOWN else f"{line[:MESSAGE_SHOWN]}…"


def _ago(case: Case, moment: datetime | None) -> str:
    return span((case.around.now - moment).total_seconds()) if moment else "an unknown time"


def _at(case: Case, moment: datetime | None) -> str:
    if moment is None:
        return "an unknown time"
    seconds = (moment - case.around.now).total_seconds()
    distance = f"in {span(seconds)}" if seconds > 0 else f"{span(seconds)} ago"
    return f"{moment.isoformat(sep=' ', timespec='seconds')} ({distance})"


def _number(count: int) -> str:
    return f"{count:,}" if count <= 100_000 else "over 100,000"  # noqa: PLR2004 - where counting stops


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


HELD_REMEDY: Final = "Ask whoever set up the policy that holds queue {queue} back; its reason is with the decision."
RAISE: Final = "or raise the limit with `pgflow queues set {queue}"
HELD_REMEDIES: Final[dict[str, str]] = {
    PolicyReason.IN_FLIGHT_EXCEEDED: f"Wait for what runs to end, {RAISE} --max-in-flight N`.",
    PolicyReason.ATTEMPT_RATE_EXCEEDED: f"Wait for the minute to pass, {RAISE} --max-per-minute N`.",
    PolicyReason.LIMITS_UNKNOWN: "The log of a worker of queue {queue} says why it cannot read the limits.",
    PolicyReason.PLUGIN_FAILED: "Mend the plugin or switch it off: the log of a worker of queue {queue} has its error.",
}
DEAD_REASONS: Final[dict[str, str]] = {
    DeadReason.MAX_ATTEMPTS_EXCEEDED: " (all {row.max_attempts} failures it was allowed are spent)",
    DeadReason.NON_RETRYABLE: " (its error says that another try is of no use)",
    DeadReason.UNKNOWN_TASK: " (only workers that do not know its task had met it for too long)",
    DeadReason.WORKER_CRASHED: " (the workers that ran it alone were lost, as often as it is allowed to fail)",
}
SENTENCES: Final[dict[State, Callable[[Case], Iterator[str]]]] = {
    State.QUEUED: _queued,
    State.SCHEDULED: _scheduled,
    State.RUNNING: _running,
    State.RETRYING: _retrying,
    State.SUCCEEDED: _succeeded,
    State.DEAD: _dead,
    State.CANCELLED: _cancelled,
    State.EXPIRED: _expired,
}
