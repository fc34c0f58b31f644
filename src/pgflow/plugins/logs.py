"""Logs: says of each log record made within a run which job made it."""

from __future__ import annotations

import logging
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pgflow import PluginSettings, hookimpl

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow import Context

_JOB: ContextVar[Context | None] = ContextVar("pgflow_job", default=None)


class LogSettings(PluginSettings, prefix="PGFLOW_LOGS_"):
    """What is added to log records."""

    context: bool = Field(
        default=False, description="1 adds job_id, job_task, job_queue and job_attempt to log records made in a run"
    )


class Logs:
    """Wraps every task where it is told to, at about 2 us a run; elsewhere it costs nothing."""

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self.settings = LogSettings.model_construct()

    @hookimpl
    def pgflow_configure(self) -> None:
        """Read the settings, and have records made with their job."""
        self.settings = LogSettings.read(**self._given)
        if self.settings.context:
            mark_records()

    @hookimpl
    def pgflow_middleware(self) -> Callable[[Context], Iterator[None]] | None:
        """Note the job while it runs."""
        return noted if self.settings.context else None


def noted(job: Context) -> Iterator[None]:
    """Make the job the one that records are marked with."""
    token = _JOB.set(job)
    try:
        yield
    finally:
        _JOB.reset(token)


def mark_records() -> None:
    """Put job_id, job_task, job_queue and job_attempt on each record; None outside of a run. Done once a process."""
    make = logging.getLogRecordFactory()
    if isinstance(make, _Marking):
        return
    logging.setLogRecordFactory(_Marking(make))


class _Marking:
    def __init__(self, make: Callable[..., logging.LogRecord]) -> None:
        self._make = make

    def __call__(self, *args: Any, **kwargs: Any) -> logging.LogRecord:
        record = self._make(*args, **kwargs)
        job = _JOB.get()
        record.job_id = job and job.job_id
        record.job_task = job and job.task
        record.job_queue = job and job.queue
        record.job_attempt = job and job.attempt
        return record
