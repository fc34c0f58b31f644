"""Background jobs for Python on the PostgreSQL you already have, with no broker."""

from __future__ import annotations

from pgflow.app import App
from pgflow.errors import (
    ArgumentError,
    Cancel,
    DatabaseUnavailableError,
    JobError,
    JobFailed,
    JobNotFoundError,
    JobRejected,
    JobStateError,
    PgflowError,
    Retry,
    SchemaMismatchError,
    SettingsError,
    Snooze,
    TaskDefinitionError,
    WaitTimeoutError,
)
from pgflow.handle import Job
from pgflow.hooks import Enqueue, hookimpl
from pgflow.model import NewJob, State
from pgflow.retry import Exponential, Fixed, Linear
from pgflow.task import Context, Task

__all__ = [
    "App",
    "ArgumentError",
    "Cancel",
    "Context",
    "DatabaseUnavailableError",
    "Enqueue",
    "Exponential",
    "Fixed",
    "Job",
    "JobError",
    "JobFailed",
    "JobNotFoundError",
    "JobRejected",
    "JobStateError",
    "Linear",
    "NewJob",
    "PgflowError",
    "Retry",
    "SchemaMismatchError",
    "SettingsError",
    "Snooze",
    "State",
    "Task",
    "TaskDefinitionError",
    "WaitTimeoutError",
    "hookimpl",
]
