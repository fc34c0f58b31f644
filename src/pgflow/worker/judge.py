"""Judges how a run ended: what a task returned or raised becomes an outcome."""

from __future__ import annotations

import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from pgflow.classify import classify
from pgflow.codec import clean_text, encode_value
from pgflow.codes import DeadReason, ErrorCode
from pgflow.errors import ArgumentError, Cancel, JobError, Retry, Snooze, TaskSignal
from pgflow.hooks import Dead
from pgflow.model import Outcome, OutcomeKind
from pgflow.retry import DEFAULT_POLICY, DELAY_MAX_SECONDS, retry_delay
from pgflow.worker.traces import written

if TYPE_CHECKING:
    from pgflow.worker.run import Run

FRAMES_KEPT: Final = 50
MESSAGE_BYTES: Final = 8_192
CODE_BYTES: Final = 200
RESULT_BYTES_MAX: Final = 16_000_000
SUCCEEDED: Final = OutcomeKind.SUCCEEDED  # by way of the enum's class it costs 65 ns
NOTHING_MORE: Final = tuple(Outcome._field_defaults.values())
_outcome = partial(tuple.__new__, Outcome)  # a third of what its constructor costs


def returned(run: Run, value: object) -> Outcome:
    """Give the outcome of a run that returned; a result that cannot be stored fails it for good."""
    finished = time.monotonic()
    job = run.job
    if not job.keep_result:
        return _outcome((job, SUCCEEDED, run.started, finished, job.spent, *NOTHING_MORE))
    try:
        result = encode_value(value, "result", most_bytes=RESULT_BYTES_MAX)
    except ArgumentError as error:
        return raised(run, JobError(ErrorCode.BAD_PAYLOAD, f"the result cannot be stored: {error}", retryable=False))
    except BaseException as error:  # noqa: BLE001 - a value's own serializer is the job's code too
        return raised(run, error)
    return Outcome(job, OutcomeKind.SUCCEEDED, run.started, finished, job.spent, result=result)


def raised(run: Run, error: BaseException) -> Outcome:
    """Give the outcome of a run that raised, whatever it was: an error that cannot be judged fails the run."""
    try:
        return _judged(run, error)
    except BaseException as unjudged:  # noqa: BLE001 - an error's own methods may raise anything
        return _unjudged(run, error, unjudged)


def _unjudged(run: Run, error: BaseException, unjudged: BaseException) -> Outcome:
    job, spent = run.job, run.job.spent + 1
    is_last = spent >= job.max_attempts
    text = f"{type(error).__name__}: (it cannot be judged: {type(unjudged).__name__})"
    return Outcome(
        job, OutcomeKind.DEAD if is_last else OutcomeKind.FAILED, run.started, time.monotonic(), spent,
        None if is_last else retry_delay(DEFAULT_POLICY, spent, error), ErrorCode.UNKNOWN,
        clean_text(text, MESSAGE_BYTES), reason_code=DeadReason.MAX_ATTEMPTS_EXCEEDED if is_last else None,
    )  # fmt: skip


def _judged(run: Run, error: BaseException) -> Outcome:
    finished = time.monotonic()
    job = run.job
    if isinstance(error, Snooze):
        return _snoozed(run, error, finished)
    if isinstance(error, Cancel):
        return Outcome(
            job, OutcomeKind.CANCELLED, run.started, finished, job.spent, None, ErrorCode.CANCELLED, _text(error)
        )
    if isinstance(error, Retry):
        return _failed(run, error, ErrorCode.RETRY_ASKED, finished, retryable=True)
    code, retryable = classify(error)
    if not isinstance(error, JobError):
        retryable = retryable and run.task.declared.retries(error)
    return _failed(run, error, code, finished, retryable=retryable)


def timed_out(run: Run) -> Outcome:
    """Give the outcome of a run that overran its timeout."""
    error = TimeoutError(f"ran longer than its timeout of {run.job.timeout:g} s")
    try:
        return _failed(run, error, ErrorCode.TIMEOUT, time.monotonic(), retryable=run.task.declared.retries(error))
    except BaseException as unjudged:  # noqa: BLE001 - a policy is not ours
        return _unjudged(run, error, unjudged)


def cancelled(run: Run) -> Outcome:
    """Give the outcome of a run that someone cancelled."""
    now = time.monotonic()
    return Outcome(run.job, OutcomeKind.CANCELLED, run.started or now, now, run.job.spent, None, ErrorCode.CANCELLED)


def _failed(run: Run, error: BaseException, code: str, finished: float, *, retryable: bool) -> Outcome:
    job = run.job
    verdict = run.task.wiring.judge and run.task.wiring.judge(job, error)
    if isinstance(verdict, Snooze):
        return _snoozed(run, verdict, finished)
    spent = job.spent + 1
    reason: DeadReason | None = None
    delay: float | None = None
    if isinstance(verdict, Dead) or not retryable:
        reason = DeadReason.NON_RETRYABLE
    elif spent >= job.max_attempts:
        reason = DeadReason.MAX_ATTEMPTS_EXCEEDED
    else:
        delay = _delay(run, spent, error, verdict)
        if delay is None:
            reason = DeadReason.NON_RETRYABLE
    kind = OutcomeKind.FAILED if reason is None else OutcomeKind.DEAD
    text = _text(error)
    if isinstance(verdict, Dead) and verdict.reason:
        text = clean_text(f"{text} ({verdict.reason})", MESSAGE_BYTES)
    return Outcome(
        job, kind, run.started, finished, spent, delay, clean_text(code, CODE_BYTES), text, _trace(error),
        reason_code=reason,
    )  # fmt: skip


def _delay(run: Run, spent: int, error: BaseException, verdict: object) -> float | None:
    for asked in (verdict, error):
        if isinstance(asked, Retry) and asked.delay is not None:
            return _seconds(asked.delay)
    return retry_delay(run.task.wiring.policy, spent, error)


def _snoozed(run: Run, signal: Snooze, finished: float) -> Outcome:
    job, delay = run.job, _seconds(signal.delay)
    return Outcome(job, OutcomeKind.SNOOZED, run.started, finished, job.spent, delay, ErrorCode.SNOOZED, _text(signal))


def _seconds(delay: float | timedelta) -> float:
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else float(delay)
    return min(max(seconds, 0.0), DELAY_MAX_SECONDS) if seconds == seconds else 0.0  # noqa: PLR0124 - NaN


def _text(error: BaseException) -> str:
    try:
        text = str(error)
    except BaseException as unreadable:  # noqa: BLE001 - a message that cannot be made must not lose the outcome
        text = f"(its message cannot be read: {type(unreadable).__name__})"
    if not isinstance(error, JobError | TaskSignal):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return clean_text(text, MESSAGE_BYTES)


def _trace(error: BaseException) -> str | None:
    if error.__traceback__ is None or isinstance(error, TaskSignal):
        return None
    try:
        text = written(error, FRAMES_KEPT)
    except BaseException:  # noqa: BLE001 - a traceback that cannot be written must not lose the outcome
        return None
    return clean_text(text)
