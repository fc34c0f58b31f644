"""What pages show beside what endpoints answer: counts, names, and errors put together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import Problem, troubles
from pgflow.plugins.admin.api.dead import group_item
from pgflow.plugins.admin.api.shared import COUNTS, GROUPS, MINUTES, MOST_GROUPS, QUEUES

if TYPE_CHECKING:
    from pgflow.plugins.admin.api.dead import GroupItem
    from pgflow.plugins.admin.api.rows import JobDetail
    from pgflow.plugins.admin.pages.desk import Desk

GROUPED_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue, with its last minute where metrics tells of it."""

    row: Any
    minute: Any


@dataclass(frozen=True, slots=True)
class LongJob:
    """A job that a worker has been running for longer than a heartbeat, as its heartbeat said."""

    job_id: str
    task: str | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class WorkerLine:
    """A worker, and what it has been running for long, the longest first."""

    row: Any
    long: list[LongJob]

    @property
    def is_lost(self) -> bool:
        """True where it fell silent without a word of stopping."""
        return not (self.row.alive or self.row.stopping)


def worker_lines(desk: Desk, queue: str | None = None) -> list[WorkerLine]:
    """List workers as GET /workers does, or those that take a queue: the silent first, then those that live."""
    rows = [row for row in desk.ask("list_workers").items if queue is None or queue in row.queues]
    lines = [WorkerLine(row, _long_jobs(row.long_running)) for row in rows]
    return sorted(lines, key=lambda line: (not line.is_lost, not line.row.alive, line.row.started_at, line.row.id))


def queue_lines(desk: Desk) -> list[QueueLine]:
    """List queues as GET /queues does, each with its last minute."""
    minutes = _minutes(desk)
    return [QueueLine(row, minutes.get(row.name)) for row in desk.ask("list_queues").items]


def minute_of(desk: Desk, queue: str) -> Any:
    """Give a queue's last minute; None where nothing tells of it."""
    return _minutes(desk).get(queue)


def counts(app: Any, seconds: float | None = None) -> dict[str, int]:
    """Count what is queued, scheduled, retrying, running and dead; as it was so many seconds ago at the most."""
    return COUNTS.of(app, seconds)


def groups(desk: Desk, most: int) -> list[GroupItem]:
    """Group dead letters as GET /dlq/groups does, as it was some seconds ago: they are many texts to read."""
    desk.permit("dead_groups")
    return [group_item(group) for group in GROUPS.of(desk.app, GROUPED_SECONDS)[:most]]


def alike(desk: Desk, job: JobDetail) -> GroupItem | None:
    """Give the group of a dead letter's error, as it was some seconds ago; None where it stands alone."""
    mine = job.task, job.reason_code, job.error_code, troubles.alike(job.error_message)
    return next(
        (
            one
            for one in groups(desk, MOST_GROUPS)
            if (one.task, one.reason_code, one.error_code, troubles.alike(one.error_message)) == mine and one.count > 1
        ),
        None,
    )


def queue_names(app: Any) -> list[str]:
    """Name the queues that are known without a look: the app's own, and those that were seen last."""
    return sorted({*app.queues, *(row.name for row in QUEUES.last(app) or ())})


def _minutes(desk: Desk) -> dict[str, Any]:
    if not desk.may("metrics"):
        return {}
    try:
        desk.permit("metrics")
    except Problem:
        return {}
    return {one.queue: one for one in MINUTES.of(desk.app)}


def _long_jobs(said: Any) -> list[LongJob]:
    # a worker of another version may say it otherwise
    jobs = [one for one in said if isinstance(one, dict) and one.get("job_id")] if isinstance(said, list) else []
    found = [LongJob(str(one["job_id"]), one.get("task"), _number(one.get("seconds"))) for one in jobs]
    return sorted(found, key=lambda job: -(job.seconds or 0.0))


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
