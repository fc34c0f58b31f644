"""What stands around one job now: its entry, lease and queue, who could run it, and who wishes it cancelled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgflow.store.admin import look
from pgflow.store.statement import Statement, load

if TYPE_CHECKING:
    from datetime import datetime

FACTS: Final = load("admin/facts")


@dataclass(frozen=True, slots=True)
class Facts:
    """What stands around one job now. `before` counts the entries ahead of it in its queue, to 100,001.

    `in_flight` and `last_minute` are counted only where the queue has that limit; `held_code` is why a policy held the
    queue back within the last 15 s, or as long as it rests where that is longer.
    """

    now: datetime
    suspect: bool
    ready_since: datetime | None
    before: int
    holder: str | None
    claimed_at: datetime | None
    lease_until: datetime | None
    paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    workers: int
    knowing: int
    asked_at: datetime | None
    asked_by: str | None
    max_in_flight: int | None
    in_flight: int | None
    max_attempts_per_minute: int | None
    last_minute: int | None
    held_code: str | None
    held_reason: str | None
    held_at: datetime | None


def facts(job_id: str) -> Statement[Facts]:
    """Read what stands around a job. Raises `JobNotFoundError`."""
    return Statement(FACTS, {"job_id": job_id}, lambda rows: Facts(*look.only(rows, job_id)))
