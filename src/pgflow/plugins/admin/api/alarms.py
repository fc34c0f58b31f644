"""GET /alarms: what somebody should look at now, each with its remedy; the overview begins with these."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal
from weakref import WeakKeyDictionary

from pgflow.admin import Endpoint, doctor
from pgflow.plugins.admin.api.lists import All, Cached
from pgflow.plugins.admin.api.shared import QUEUES, WORKERS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.admin import Call, QueueRow, WorkerRow

GROWTH_SECONDS: Final = 60.0
SILENT_SECONDS: Final = 600.0
"""For how long a worker that fell silent is worth a word; its jobs have long been taken back."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something to look at. `code` is for programs; `queue` or `worker_id` say where, if it is one of these."""

    code: str
    severity: Literal["critical", "warning"]
    title: str
    detail: str
    remedy: str
    queue: str | None = None
    worker_id: str | None = None


class Alarms:
    """Looks for all of them, at most once a second, and remembers how long queues were a minute ago."""

    def __init__(self) -> None:
        self._depths: WeakKeyDictionary[Any, deque[tuple[float, dict[str, int]]]] = WeakKeyDictionary()
        self._found = Cached(self._look)

    def answer(self, call: Call) -> All[Alarm]:
        """List alarms, the critical ones first."""
        return All(self._found.of(call.app))

    def _look(self, app: Any) -> list[Alarm]:
        queues = QUEUES.of(app)
        transactions, lapsed = app.reads.together(
            lambda run: (run(doctor.old_transactions()), run(doctor.lapsed_leases()))
        )
        before = self._depths_before(app, {row.name: row.depth for row in queues})
        found = [
            *(_of_own_workers(app)),
            *(alarm for row in queues for alarm in _of_queue(row, before.get(row.name))),
            *(_of_leases(*lapsed)),
            *(_of_transactions(transactions)),
            *(alarm for row in WORKERS.of(app) for alarm in _of_worker(row)),
        ]
        return sorted(found, key=lambda alarm: alarm.severity)

    def _depths_before(self, app: Any, depths: dict[str, int]) -> dict[str, int]:
        kept = self._depths.setdefault(app, deque())
        now = time.monotonic()
        while kept and now - kept[0][0] > GROWTH_SECONDS:
            kept.popleft()
        kept.append((now, depths))
        return kept[0][1]


def _of_queue(row: QueueRow, before: int | None) -> Iterator[Alarm]:
    waiting = f"{row.depth:,} {'job waits' if row.depth == 1 else 'jobs wait'}"
    if row.paused and row.depth:
        grown = row.depth - before if before is not None else 0
        why = f": {row.paused_reason}" if row.paused_reason else ""
        growing = f", {grown:,} more within a minute" if grown > 0 else ""
        yield Alarm(
            "PAUSED_AND_GROWING" if grown > 0 else "PAUSED",
            "critical" if grown > 0 else "warning",
            f"Queue {row.name} is paused{' and growing' if grown > 0 else ''}",
            f"{waiting}{growing}{why}",
            "Resume it once the reason is gone.",
            queue=row.name,
        )
    elif row.depth and not row.workers:
        remedy = f"Start one: pgflow worker -Q {row.name}"
        yield Alarm("NO_WORKER", "critical", f"No live worker takes queue {row.name}", waiting, remedy, queue=row.name)


def _of_leases(leases: int, jobs: int, seconds: float) -> Iterator[Alarm]:
    if leases:
        detail = f"{jobs:,} jobs are in {leases} leases that lapsed up to {seconds:.0f} s ago"
        remedy = "Any live worker takes back what another has lost: start one, or look at its log."
        yield Alarm("REAPER_LATE", "critical", "Lost jobs are not taken back", detail, remedy)


def _of_transactions(rows: list[tuple[str, float]]) -> Iterator[Alarm]:
    if rows:
        detail = ", ".join(f"{who} for {seconds:.0f} s" for who, seconds in rows)
        remedy = "End it: while it is open, nothing deleted since can be cleaned up, and queues get slower."
        yield Alarm("OLD_TRANSACTION", "warning", "A transaction has been open for over a minute", detail, remedy)


def _of_worker(row: WorkerRow) -> Iterator[Alarm]:
    if not row.alive and not row.stopping and row.beat_age < SILENT_SECONDS:
        detail = f"its last heartbeat was {row.beat_age:.0f} s ago, on {row.host}"
        remedy = "Look on its machine: a crash, a kill for memory, a blocked process."
        yield Alarm("WORKER_SILENT", "warning", f"Worker {row.id} is silent", detail, remedy, worker_id=row.id)


def _of_own_workers(app: Any) -> Iterator[Alarm]:
    # of workers in this process more is known than their heartbeats say
    for check in app.worker_health():
        if not check.ok and check.name != "stopping":
            code = (
                "LISTENER_DOWN"
                if "listen has been failing" in check.detail
                else f"WORKER_{check.name.upper().replace('-', '_')}"
            )
            title = f"The worker beside this admin: {check.name}"
            yield Alarm(code, "critical" if check.blocks else "warning", title, check.detail, check.remedy)


def endpoints() -> tuple[Endpoint, ...]:
    """Give the endpoint, with a memory of its own."""
    return (
        Endpoint(
            method="GET", path="/alarms", name="list_alarms", summary="List what somebody should look at now",
            scope="read", answer=Alarms().answer, response=All[Alarm], tag="health",
        ),
    )  # fmt: skip
