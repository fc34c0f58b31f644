"""What a task declared with `bind=True` is given as its first argument."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import NoReturn

from pgflow.errors import Retry


class Context:
    """The run at hand: which job, which attempt, and whether someone wants it stopped."""

    __slots__ = ("_is_cancelled", "attempt", "headers", "job_id", "max_attempts", "queue", "spent", "task")

    def __init__(
        self,
        *,
        task: str,
        queue: str,
        job_id: str = "",
        attempt: int = 1,
        spent: int = 0,
        max_attempts: int = 1,
        headers: Mapping[str, object] | None = None,
    ) -> None:
        self.job_id = job_id
        self.attempt = attempt
        self.task = task
        self.queue = queue
        self.headers: Mapping[str, object] = headers or {}
        self.max_attempts = max_attempts
        self.spent = spent
        self._is_cancelled = False

    @property
    def cancelled(self) -> bool:
        """True once the run should end: a thread cannot be stopped from outside, so a long one looks here."""
        return self._is_cancelled

    def cancel(self) -> None:
        """Make `cancelled` true; the worker calls it, from any thread."""
        self._is_cancelled = True

    def retry(
        self,
        *,
        exc: BaseException | None = None,
        countdown: float | timedelta | None = None,
        eta: datetime | None = None,
        reason: str = "",
    ) -> NoReturn:
        """Raise `Retry`: end this run as failed and ask for another, as Celery's `self.retry` does.

        `raise self.retry(…)` is fine too. Without a time, the task's retry policy says when.
        """
        if eta is not None:
            countdown = max(0.0, (eta - datetime.now(UTC)).total_seconds())
        raise Retry(countdown, reason or (repr(exc) if exc is not None else "")) from exc

    @property
    def request(self) -> Context:
        """The context itself, under Celery's name."""
        return self

    @property
    def id(self) -> str:
        """The job's id, under Celery's name."""
        return self.job_id

    @property
    def retries(self) -> int:
        """The failures so far, under Celery's name."""
        return self.spent

    def __repr__(self) -> str:
        """Show which run it is."""
        return f"Context({self.task}, job_id={self.job_id!r}, attempt={self.attempt})"
