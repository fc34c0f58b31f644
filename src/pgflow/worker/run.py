"""A run: one claimed job in this process, from the claim until its outcome is known."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pgflow.codes import DeadReason, ErrorCode
from pgflow.model import Claimed, Outcome, OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.task import Context, Task
    from pgflow.worker.lane import Lane

    Verdict = Callable[["Run"], Outcome]


class Run:
    """Where a claimed job stands here. `started` is 0 until the task's code begins; then a `time.monotonic()`.

    `stopped` is 0 until it is told to end; then the same.

    `verdict` makes its outcome where it was stopped from outside, and `interrupt` is how its executor stops it.
    """

    __slots__ = ("context", "deadline", "interrupt", "job", "lane", "started", "stopped", "task", "verdict")

    def __init__(self, job: Claimed, task: Task[..., object], lane: Lane | None = None) -> None:
        self.job = job
        self.task = task
        self.lane = lane
        self.started = 0.0
        self.stopped = 0.0
        self.deadline = 0.0
        self.context: Context | None = None
        self.verdict: Verdict | None = None
        self.interrupt: Callable[[], None] | None = None


def released(job: Claimed, code: ErrorCode, delay: float = 0.0, started: float = 0.0, message: str = "") -> Outcome:
    """Hand a job back, nothing spent, to run again in `delay` seconds."""
    now = time.monotonic()
    return Outcome(
        job, OutcomeKind.RELEASED, started or now, now, job.spent, delay, code, message or None, suspect=job.suspect
    )


def ended_unstarted(job: Claimed) -> Outcome | None:
    """Give the outcome of a job that must not start: cancelled, expired, or an entry without its job."""
    if not (job.task is None or job.cancelled or job.expired):
        return None
    now = time.monotonic()
    if job.task is None:
        message = "the entry has no job row"
        return Outcome(job, OutcomeKind.LOST, now, now, job.spent, None, ErrorCode.JOB_MISSING, message)
    if job.cancelled:
        return Outcome(job, OutcomeKind.CANCELLED, now, now, job.spent, None, ErrorCode.CANCELLED)
    message = "it was not started before its expiry"
    return Outcome(job, OutcomeKind.EXPIRED, now, now, job.spent, None, ErrorCode.EXPIRED, message)


def shut_down(run: Run) -> Outcome:
    """Hand back a run that a stopping worker interrupts."""
    return released(run.job, ErrorCode.SHUTDOWN, started=run.started, message="its worker stopped")


def released_at_stop(job: Claimed) -> Outcome:
    """Hand back a job that came while the worker was stopping."""
    return released(job, ErrorCode.SHUTDOWN, message="its worker was stopping")


def unknown_task(job: Claimed, unknown_seconds: float, limit_seconds: float) -> Outcome:
    """Put off a job whose task this worker does not know, 5 s doubling to 60; after the limit it dies."""
    now = time.monotonic()
    message = f"no worker here knows the task {job.task}"
    code = ErrorCode.UNKNOWN_TASK
    if unknown_seconds >= limit_seconds:
        reason = DeadReason.UNKNOWN_TASK
        return Outcome(job, OutcomeKind.DEAD, now, now, job.spent, None, code, message, reason_code=reason)
    delay = min(60.0, 5.0 * 2 ** min(job.attempt - 1, 4))
    return released(job, code, delay, message=message)
