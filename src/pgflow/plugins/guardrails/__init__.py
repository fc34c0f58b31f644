"""Guardrails: refuses jobs that are too large, too many a minute, or of a task that may not be enqueued."""

from __future__ import annotations

import logging
import math
import re
from collections import Counter
from fnmatch import translate
from typing import TYPE_CHECKING, Any, Final

from pgflow import JobRejected, hookimpl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from pgflow import Enqueue, NewJob
    from pgflow.plugins.guardrails.permits import Exhausted, Permits

logger = logging.getLogger("pgflow")

PAYLOAD_TOO_LARGE: Final = "PAYLOAD_TOO_LARGE"
ENQUEUE_RATE_EXCEEDED: Final = "ENQUEUE_RATE_EXCEEDED"
TASK_NOT_ALLOWED: Final = "TASK_NOT_ALLOWED"


class Guardrails:
    """Judges what is enqueued, and refuses it with a reason code. Keywords are its settings, `GuardrailSettings`."""

    name = "guardrails"

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self._most_bytes = 0
        self._most_bytes_of: dict[str, int] = {}
        self._allowed: re.Pattern[str] | None = None
        self._a_minute = 0
        self._a_minute_of: Mapping[str, int] = {}
        self._permits: Permits | None = None

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        """Read the limits. Raises `SettingsError`."""
        from pgflow.plugins.guardrails.settings import GuardrailSettings  # noqa: PLC0415 - no command's help needs it

        settings = GuardrailSettings.read(**self._given)
        self._most_bytes = app.settings.max_payload_bytes
        self._allowed = _one_of(settings.allowed_tasks)
        self._a_minute = app.settings.max_enqueue_per_minute
        self._a_minute_of = settings.enqueue_limits
        if self._a_minute or any(self._a_minute_of.values()):
            from pgflow.plugins.guardrails.permits import Permits  # noqa: PLC0415 - where nothing is limited, unused

            self._permits = Permits()

    @hookimpl
    def pgflow_task_options(self) -> Mapping[str, Any]:
        """Add `max_payload_bytes=`, which takes the setting's place for one task."""
        from typing import Annotated  # noqa: PLC0415

        from pydantic import Field  # noqa: PLC0415 - no command's help needs it

        return {"max_payload_bytes": Annotated[int, Field(strict=True, ge=1, le=64_000_000)]}

    @hookimpl
    def pgflow_task_registered(self, task: Any) -> None:
        """Note a task's own limit, and warn of a task that nobody could enqueue."""
        own = task.declared.extra.get("max_payload_bytes")
        if own is not None:
            self._most_bytes_of[task.name] = own
        if self._allowed is not None and not self._allowed.match(task.name):
            logger.warning("task %s is declared, and PGFLOW_GUARDRAILS_ALLOWED_TASKS lets nobody enqueue it", task.name)

    @hookimpl(trylast=True)
    def pgflow_before_enqueue(self, jobs: list[NewJob], enqueue: Enqueue) -> None:
        """Refuse what is not allowed, too large or too much. Raises `JobRejected`.

        It comes last, to judge what other plugins have made of the jobs, and to charge for none that they refuse.
        """
        if self._allowed is not None:
            self._check_tasks(jobs, self._allowed)
        most, most_of = self._most_bytes, self._most_bytes_of
        for job in jobs:
            if job.payload_bytes > (most_of.get(job.task, most) if most_of else most):
                raise self._too_large(job)
        if self._permits is not None:
            self._take_permits(jobs, enqueue, self._permits)

    def _check_tasks(self, jobs: Iterable[NewJob], allowed: re.Pattern[str]) -> None:
        for job in jobs:
            if not allowed.match(job.task):
                msg = (
                    f"{job.task} matches no pattern of PGFLOW_GUARDRAILS_ALLOWED_TASKS: add it there, or check the name"
                )
                raise JobRejected(TASK_NOT_ALLOWED, msg, job=job)

    def _too_large(self, job: NewJob) -> JobRejected:
        own = self._most_bytes_of.get(job.task)
        limit, name = (self._most_bytes, "PGFLOW_MAX_PAYLOAD_BYTES") if own is None else (own, "its max_payload_bytes")
        msg = (
            f"{job.task} has {job.payload_bytes} bytes of arguments, over {name} of {limit}: "
            "keep large data elsewhere and pass a reference"
        )
        return JobRejected(PAYLOAD_TOO_LARGE, msg, job=job, details={"bytes": job.payload_bytes, "limit": limit})

    def _take_permits(self, jobs: list[NewJob], enqueue: Enqueue, permits: Permits) -> None:
        from pgflow.plugins.guardrails.permits import Exhausted  # noqa: PLC0415 - loaded long ago

        wanted = Counter(job.queue for job in jobs) if len(jobs) > 1 else {jobs[0].queue: 1}
        most = {queue: limit for queue in wanted if (limit := self._a_minute_of.get(queue, self._a_minute))}
        if not most:
            return
        try:
            permits.take(enqueue.app.db, {queue: wanted[queue] for queue in most}, most)
        except Exhausted as found:
            job = next(job for job in jobs if job.queue == found.queue)
            raise _too_many(job, wanted[found.queue], most[found.queue], found) from None


def _one_of(patterns: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(map(translate, patterns))) if patterns else None


def _too_many(job: NewJob, asked: int, limit: int, found: Exhausted) -> JobRejected:
    details = {"asked": asked, "limit": limit, "left": found.left}
    if found.retry_after is None:
        remedy = f"{asked} at once never fit: send fewer at a time, or raise the limit"
    else:
        details["retry_after"] = max(1, math.ceil(found.retry_after))
        remedy = f"{found.left} are left of it now, and {asked} were asked for: try again in {details['retry_after']} s"
    msg = f"queue {job.queue} takes {limit} jobs a minute: {remedy}"
    return JobRejected(ENQUEUE_RATE_EXCEEDED, msg, job=job, details=details)
