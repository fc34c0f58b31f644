"""GET /workers: who works, as their last heartbeats said."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pgflow.admin import Endpoint, WorkerRow, redacted
from pgflow.plugins.admin.api.lists import All
from pgflow.plugins.admin.api.rows import plain
from pgflow.plugins.admin.api.shared import WORKERS

if TYPE_CHECKING:
    from pgflow.admin import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerItem:
    """A worker. `leased` jobs are in its hands, `running` of them on its `slots`; it is alive for 30 s after a beat.

    `long_running` are the jobs it has been running for longer than a heartbeat.
    """

    id: str
    host: str
    pid: int
    version: str
    backend: str
    queues: list[str]
    tasks: list[str]
    slots: int
    running: int
    leased: int
    stopping: bool
    alive: bool
    started_at: datetime
    beat_at: datetime
    beat_age_seconds: float
    long_running: Any


def _item(row: WorkerRow) -> WorkerItem:
    known = plain(row)
    age = round(known.pop("beat_age"), 3)
    known.update(queues=list(row.queues), tasks=list(row.tasks), long_running=redacted(row.long_running))
    return WorkerItem(**known, beat_age_seconds=age)


def endpoints() -> tuple[Endpoint, ...]:
    """Give the endpoint."""

    def answer(call: Call) -> All[WorkerItem]:
        return All([_item(row) for row in WORKERS.of(call.app)])

    return (
        Endpoint(
            method="GET", path="/workers", name="list_workers", summary="List workers, the oldest first", scope="read",
            answer=answer, response=All[WorkerItem], tag="workers",
        ),
    )  # fmt: skip
