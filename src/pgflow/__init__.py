"""Background jobs for Python on the PostgreSQL you already have, with no broker."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
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
        KeyConflictError,
        PgflowError,
        PluginError,
        Retry,
        SchemaMismatchError,
        SettingsError,
        Snooze,
        TaskDefinitionError,
        WaitTimeoutError,
    )
    from pgflow.handle import Job
    from pgflow.hooks import (
        Actor,
        AdminExtras,
        Claim,
        Dead,
        Enqueue,
        HealthCheck,
        LostJob,
        Migrations,
        NavEntry,
        Panel,
        PluginInfo,
        Where,
        WorkerInfo,
        WorkerStats,
        hookimpl,
    )
    from pgflow.model import Claimed, NewJob, Outcome, OutcomeKind, State
    from pgflow.plugin_settings import PluginSettings
    from pgflow.plugins.cron.spec import Schedule, cron, every
    from pgflow.retry import Exponential, Fixed, Linear
    from pgflow.task import Context, Task

__all__ = [
    "Actor",
    "AdminExtras",
    "App",
    "ArgumentError",
    "Cancel",
    "Claim",
    "Claimed",
    "Context",
    "DatabaseUnavailableError",
    "Dead",
    "Enqueue",
    "Exponential",
    "Fixed",
    "HealthCheck",
    "Job",
    "JobError",
    "JobFailed",
    "JobNotFoundError",
    "JobRejected",
    "JobStateError",
    "KeyConflictError",
    "Linear",
    "LostJob",
    "Migrations",
    "NavEntry",
    "NewJob",
    "Outcome",
    "OutcomeKind",
    "Panel",
    "PgflowError",
    "PluginError",
    "PluginInfo",
    "PluginSettings",
    "Retry",
    "Schedule",
    "SchemaMismatchError",
    "SettingsError",
    "Snooze",
    "State",
    "Task",
    "TaskDefinitionError",
    "WaitTimeoutError",
    "Where",
    "WorkerInfo",
    "WorkerStats",
    "cron",
    "every",
    "hookimpl",
]

_HOMES: Final = {
    "pgflow.app": ("App",),
    "pgflow.errors": (
        "ArgumentError",
        "Cancel",
        "DatabaseUnavailableError",
        "JobError",
        "JobFailed",
        "JobNotFoundError",
        "JobRejected",
        "JobStateError",
        "KeyConflictError",
        "PgflowError",
        "PluginError",
        "Retry",
        "SchemaMismatchError",
        "SettingsError",
        "Snooze",
        "TaskDefinitionError",
        "WaitTimeoutError",
    ),
    "pgflow.handle": ("Job",),
    "pgflow.hooks": (
        "Actor",
        "AdminExtras",
        "Claim",
        "Dead",
        "Enqueue",
        "HealthCheck",
        "LostJob",
        "Migrations",
        "NavEntry",
        "Panel",
        "PluginInfo",
        "Where",
        "WorkerInfo",
        "WorkerStats",
        "hookimpl",
    ),
    "pgflow.model": ("Claimed", "NewJob", "Outcome", "OutcomeKind", "State"),
    "pgflow.plugin_settings": ("PluginSettings",),
    "pgflow.plugins.cron.spec": ("Schedule", "cron", "every"),
    "pgflow.retry": ("Exponential", "Fixed", "Linear"),
    "pgflow.task": ("Context", "Task"),
}
_HOME_OF: Final = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    # on first use (PEP 562): `pgflow --help` has no need of a database driver
    if name not in _HOME_OF:
        msg = f"module 'pgflow' has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
