"""Guardrails: refuses jobs whose arguments are larger than PGFLOW_MAX_PAYLOAD_BYTES."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgflow import JobRejected, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow import NewJob
PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"


class Guardrails:
    """Judges what is enqueued, and refuses it with a reason code."""

    def __init__(self) -> None:
        self._max_bytes = 0

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        """Read the limit."""
        self._max_bytes = app.settings.max_payload_bytes

    @hookimpl
    def pgflow_before_enqueue(self, jobs: Sequence[NewJob]) -> None:
        """Refuse a payload over the limit. Raises `JobRejected`."""
        for job in jobs:
            if job.payload_bytes > self._max_bytes:
                msg = (
                    f"{job.task} has {job.payload_bytes} bytes of arguments, over PGFLOW_MAX_PAYLOAD_BYTES of "
                    f"{self._max_bytes}: keep large data elsewhere and pass a reference"
                )
                details = {"bytes": job.payload_bytes, "limit": self._max_bytes}
                raise JobRejected(PAYLOAD_TOO_LARGE, msg, job=job, details=details)
