"""What somebody should look at now, each with its remedy: the overview and `pgflow top` begin with these."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pgflow.views import QueueRow, WorkerRow

GROWTH_SECONDS: Final = 60.0
SILENT_SECONDS: Final = 600.0
"""For how long a worker that fell silent is worth a word; its jobs have long been taken back."""
COMMANDS: Final = {
    "PAUSED": "pgflow queues resume {queue}",
    "PAUSED_AND_GROWING": "pgflow queues resume {queue}",
    "NO_WORKER": "pgflow worker -Q {queue}",
    "REAPER_LATE": "pgflow workers",
    "OLD_TRANSACTION": "pgflow doctor",
    "WORKER_SILENT": "pgflow jobs --worker {worker_id}",
}


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


@dataclass(frozen=True, slots=True)
class Depths:
    """How many jobs waited in each queue at a time, in seconds of a clock that only goes forward."""

    at: float
    jobs: Mapping[str, int]


class Growth:
    """Remembers how long queues were up to a minute ago."""

    def __init__(self) -> None:
        self._kept: deque[Depths] = deque()

    def since(self, now: float, queues: Iterable[QueueRow]) -> Mapping[str, int]:
        """Remember how long they are, and give how long they were a minute ago, or when first looked at."""
        while self._kept and now - self._kept[0].at > GROWTH_SECONDS:
            self._kept.popleft()
        self._kept.append(Depths(now, {row.name: row.depth for row in queues}))
        return self._kept[0].jobs


def alarms(
    queues: Iterable[QueueRow],
    workers: Iterable[WorkerRow],
    *,
    before: Mapping[str, int],
    lapsed: tuple[int, int, float],
    transactions: Sequence[tuple[str, float]],
) -> list[Alarm]:
    """Look for all of them, the critical ones first; `before` is how long each queue was a minute ago."""
    found = [
        *(alarm for row in queues for alarm in _of_queue(row, before.get(row.name))),
        *(_of_leases(*lapsed)),
        *(_of_transactions(transactions)),
        *(alarm for row in workers for alarm in _of_worker(row)),
    ]
    return sorted(found, key=severity)


def severity(alarm: Alarm) -> str:
    """Order alarms: the critical ones first."""
    return alarm.severity


def command(alarm: Alarm) -> str | None:
    """Give the command to act on an alarm, or to look closer; None where there is none."""
    text = COMMANDS.get(alarm.code)
    return text and text.format(queue=alarm.queue, worker_id=alarm.worker_id)


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


def _of_transactions(rows: Sequence[tuple[str, float]]) -> Iterator[Alarm]:
    if rows:
        detail = ", ".join(f"{who} for {seconds:.0f} s" for who, seconds in rows)
        remedy = "End it: while it is open, nothing deleted since can be cleaned up, and queues get slower."
        yield Alarm("OLD_TRANSACTION", "warning", "A transaction has been open for over a minute", detail, remedy)


def _of_worker(row: WorkerRow) -> Iterator[Alarm]:
    if not row.alive and not row.stopping and row.beat_age < SILENT_SECONDS:
        detail = f"its last heartbeat was {row.beat_age:.0f} s ago, on {row.host}"
        remedy = "Look on its machine: a crash, a kill for memory, a blocked process."
        yield Alarm("WORKER_SILENT", "warning", f"Worker {row.id} is silent", detail, remedy, worker_id=row.id)
