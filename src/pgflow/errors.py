"""Every error pgflow raises, in one tree.

PgflowError
├── UsageError                 the caller's words are wrong; exit code 2
│   ├── SettingsError          a setting cannot be read
│   ├── TaskDefinitionError    a function that cannot be a task, or two tasks of one name
│   ├── ArgumentError          arguments that do not fit the task or cannot be stored as JSON
│   └── AppNotFoundError       `-A module:app` names nothing
├── PluginError                a plugin is broken, missing, or cannot judge
├── JobRejected                a guardrail refused an enqueue; carries a reason code
├── KeyConflictError           an Idempotency-Key was used for another request
├── JobNotFoundError           no job has this id
├── JobStateError              the job's state does not allow this; carries the state
├── JobFailed                  a waited-for job ended other than by succeeding
├── WaitTimeoutError           a waited-for job has not ended in time
├── DatabaseUnavailableError   the database cannot be reached; exit code 3
└── SchemaMismatchError        code and schema disagree; exit code 3

What a task raises to say how its run ended is not an error of pgflow's:
`Retry`, `Snooze` and `Cancel` derive from `TaskSignal`, `JobError` from `Exception`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from pgflow.model import NewJob


class PgflowError(Exception):
    """Any error of pgflow's own."""

    exit_code = 1


class UsageError(PgflowError):
    """The caller's words are wrong."""

    exit_code = 2


class SettingsError(UsageError):
    """A setting cannot be read."""


class TaskDefinitionError(UsageError):
    """A function cannot be a task, or two tasks have one name."""


class ArgumentError(UsageError, TypeError):
    """Arguments do not fit the task, or hold what JSON cannot."""


class AppNotFoundError(UsageError):
    """`module:app` names nothing that can be imported."""


class PluginError(PgflowError):
    """A plugin is broken or missing, or failed where nothing may go on without it; the message names it."""


class JobRejected(PgflowError):  # noqa: N818 - the word users write
    """A guardrail refused an enqueue: nothing was stored but the decision.

    `reason_code` is stable and for programs; the message is for people. A guardrail also gives the job it
    refused, and `details` to keep with the decision.
    """

    def __init__(
        self,
        reason_code: str,
        message: str = "",
        *,
        job: NewJob | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(f"{reason_code}: {message}" if message else reason_code)
        self.reason_code = reason_code
        self.message = message
        self.job = job
        self.details = details


class KeyConflictError(PgflowError):
    """An Idempotency-Key was used for another request within the last 24 hours; `key` names it."""

    def __init__(self, key: str) -> None:
        super().__init__(f"Idempotency-Key {key!r} was used for another request: use a new key for each request")
        self.key = key


class JobNotFoundError(PgflowError, LookupError):
    """No job has this id."""


class JobStateError(PgflowError):
    """The job is in a state that does not allow what was asked; `state` says which."""

    def __init__(self, job_id: str, state: str, wanted: str) -> None:
        super().__init__(f"job {job_id} is {state}: {wanted}")
        self.job_id = job_id
        self.state = state


class JobFailed(PgflowError):  # noqa: N818 - the word users write
    """A waited-for job ended as dead, cancelled or expired."""

    def __init__(self, job_id: str, state: str, code: str | None, message: str | None) -> None:
        detail = ": ".join(part for part in (code, message) if part)
        super().__init__(f"job {job_id} is {state}" + (f" ({detail})" if detail else ""))
        self.job_id = job_id
        self.state = state
        self.code = code
        self.message = message


class WaitTimeoutError(PgflowError, TimeoutError):
    """A waited-for job has not ended in time; it goes on."""


class DatabaseUnavailableError(PgflowError):
    """The database cannot be reached, or did not answer in time.

    `in_doubt` says that what was asked may have been done all the same, since only its answer is missing. Where it
    is false nothing was done, and asking again is safe.
    """

    exit_code = 3

    def __init__(self, message: str = "", *, in_doubt: bool = False) -> None:
        super().__init__(message)
        self.in_doubt = in_doubt


class SchemaMismatchError(PgflowError):
    """The code and the database's schema disagree."""

    exit_code = 3


class TaskSignal(Exception):  # noqa: N818 - a signal, not an error
    """Raised inside a task to say how its run ends."""


class Retry(TaskSignal):
    """Fail this run and try again, after `delay` seconds or as the task's policy says."""

    def __init__(self, delay: float | timedelta | None = None, reason: str = "") -> None:
        super().__init__(reason or "retry asked for")
        self.delay = delay
        self.reason = reason


class Snooze(TaskSignal):
    """Run again after `delay` seconds; spends no attempt."""

    def __init__(self, delay: float | timedelta, reason: str = "") -> None:
        super().__init__(reason or "snoozed")
        self.delay = delay
        self.reason = reason


class Cancel(TaskSignal):
    """End the job as cancelled: it will not run again."""

    def __init__(self, reason: str = "") -> None:
        super().__init__(reason or "cancelled by its task")
        self.reason = reason


class JobError(Exception):
    """A task's failure in words a program understands.

    `code` is kept with the attempt; `retryable=False` sends the job to the dead letters at once.
    """

    def __init__(self, code: str, message: str = "", *, retryable: bool = True) -> None:
        super().__init__(message or code)
        self.code = code
        self.message = message
        self.retryable = retryable
