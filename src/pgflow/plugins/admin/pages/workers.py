"""The workers, and one of them: whether it lives, what it takes, and what it has been doing for long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.plugins.admin.pages.glances import worker_lines
from pgflow.plugins.admin.pages.page import Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk

JOBS: Final = 20


def show_all(desk: Desk) -> Shown:
    """Show all of them, or those that take a queue: the silent first."""
    queue = desk.param("queue") or None
    lines = worker_lines(desk, queue)
    given = {
        "lines": lines,
        "queue": queue,
        "alive": sum(line.row.alive for line in lines),
        "lost": sum(line.is_lost for line in lines),
        "slots": sum(line.row.slots for line in lines if line.row.alive),
        "running": sum(line.row.running for line in lines if line.row.alive),
        "long": sum(len(line.long) for line in lines if line.row.alive),
    }
    return Shown("workers.html", given)


def show(desk: Desk) -> Shown:
    """Show one; of one that is forgotten, its last jobs."""
    worker_id = desk.path["worker_id"]
    line = next((one for one in worker_lines(desk) if one.row.id == worker_id), None)
    given = {
        "worker_id": worker_id,
        "line": line,
        "jobs": desk.ask("list_jobs", {"worker": worker_id, "limit": JOBS}).items,
        "most": JOBS,
    }
    return Shown("worker.html", given)


PAGES = (
    Page(path="workers", name="workers", show=show_all, title="Workers", icon="workers", key="w"),
    Page(path="workers/{worker_id}", name="worker", show=show),
)
