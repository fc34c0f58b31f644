"""The closed sets of codes: why an attempt failed, why a job died, what was decided, and what to do."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class ErrorCode(StrEnum):
    """Why a run did not succeed. A `JobError` may add codes of its own."""

    TIMEOUT = "TIMEOUT"
    DB_DEADLOCK = "DB_DEADLOCK"
    SERIALIZATION = "SERIALIZATION"
    RATE_LIMIT = "RATE_LIMIT"
    PANIC = "PANIC"
    BAD_PAYLOAD = "BAD_PAYLOAD"
    DEPENDENCY_DOWN = "DEPENDENCY_DOWN"
    LEASE_EXPIRED = "LEASE_EXPIRED"
    SHUTDOWN = "SHUTDOWN"
    JOB_MISSING = "JOB_MISSING"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    RETRY_ASKED = "RETRY_ASKED"
    SNOOZED = "SNOOZED"
    UNKNOWN_TASK = "UNKNOWN_TASK"
    TASK_BUSY = "TASK_BUSY"
    RUN_NOW = "RUN_NOW"
    UNKNOWN = "UNKNOWN"


class DeadReason(StrEnum):
    """Why a job is a dead letter."""

    MAX_ATTEMPTS_EXCEEDED = "MAX_ATTEMPTS_EXCEEDED"
    NON_RETRYABLE = "NON_RETRYABLE"
    UNKNOWN_TASK = "UNKNOWN_TASK"
    WORKER_CRASHED = "WORKER_CRASHED"


class IngestReason(StrEnum):
    """Why a guardrail refused an enqueue."""

    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    ENQUEUE_RATE_EXCEEDED = "ENQUEUE_RATE_EXCEEDED"
    TASK_NOT_ALLOWED = "TASK_NOT_ALLOWED"


class PolicyReason(StrEnum):
    """Why a queue was held back. A plugin that pauses a claim may add codes of its own."""

    IN_FLIGHT_EXCEEDED = "IN_FLIGHT_EXCEEDED"
    ATTEMPT_RATE_EXCEEDED = "ATTEMPT_RATE_EXCEEDED"
    QUEUE_PAUSED = "QUEUE_PAUSED"
    LIMITS_UNKNOWN = "LIMITS_UNKNOWN"
    PLUGIN_FAILED = "PLUGIN_FAILED"
    HELD_BACK = "HELD_BACK"


SUGGESTED_ACTIONS: Final[dict[str, str]] = {
    ErrorCode.TIMEOUT: "Raise the task's timeout, or split the work so that a run ends within it.",
    ErrorCode.DB_DEADLOCK: "Usually passes on retry; take locks in one order where it does not.",
    ErrorCode.SERIALIZATION: "Passes on retry; shorten the transaction where it keeps coming back.",
    ErrorCode.RATE_LIMIT: "Slow the queue down or retry later; the other side asked for it.",
    ErrorCode.PANIC: "The process running the job died: look at its exit code, memory and native code.",
    ErrorCode.BAD_PAYLOAD: "The arguments do not fit the task: fix the caller, then replay.",
    ErrorCode.DEPENDENCY_DOWN: "Check the service named in the message, then replay.",
    ErrorCode.LEASE_EXPIRED: "The worker stopped answering: look for a crash, a kill for memory or a blocked process.",
    ErrorCode.SHUTDOWN: "Nothing to do: the worker stopped and handed the job back.",
    ErrorCode.JOB_MISSING: "The entry has no job row: run `pgflow doctor`.",
    ErrorCode.CANCELLED: "Nothing to do: someone cancelled it. Replay it if that was a mistake.",
    ErrorCode.EXPIRED: "It was not started before its expiry: add workers or allow more time, then replay.",
    ErrorCode.RETRY_ASKED: "Nothing to do: the task itself asked for another run.",
    ErrorCode.SNOOZED: "Nothing to do: the task itself put the run off.",
    ErrorCode.UNKNOWN_TASK: "Start a worker whose app declares this task, or cancel the job.",
    ErrorCode.TASK_BUSY: "Nothing to do: the task's own concurrency limit is reached here; add workers for more.",
    ErrorCode.RUN_NOW: "Nothing to do: someone asked for the run to come at once.",
    ErrorCode.UNKNOWN: "Read the traceback, fix the task, then replay.",
}


def suggested_action(code: str | None) -> str | None:
    """Say what to do about an error code; None for none, the advice for UNKNOWN for a stranger."""
    if code is None:
        return None
    return SUGGESTED_ACTIONS.get(code, SUGGESTED_ACTIONS[ErrorCode.UNKNOWN])
