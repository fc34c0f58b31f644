"""What `pgflow top` looks at, read in one transaction, and the thread that looks again and again."""

from __future__ import annotations

import threading
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pgflow.errors import DatabaseUnavailableError
from pgflow.model import State
from pgflow.redact import redacted_text
from pgflow.store.admin import doctor, look, stats
from pgflow.store.faults import FAULTS
from pgflow.telling.alarms import Growth, alarms, command
from pgflow.telling.troubles import troubles
from pgflow.views import JobFilter

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.model import JobRow
    from pgflow.store.admin import Run
    from pgflow.store.admin.figures import QueueMinute, Series
    from pgflow.store.pool import Pool
    from pgflow.telling.alarms import Alarm
    from pgflow.telling.troubles import Trouble
    from pgflow.views import DeadGroup, DecisionRow, QueueRow, WorkerRow

WINDOW_SECONDS: Final = 900
GROUPED_SECONDS: Final = 10.0
"""The errors of 10,000 dead letters are many texts to read again."""
GROUPS: Final = 100
RETRYING: Final = 100
TROUBLES: Final = 50
DECISIONS: Final = 50
RECENT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One look. `held` is each queue's last decision of a policy within a minute; `at` is the database's time."""

    at: datetime
    minutes: list[QueueMinute]
    queues: dict[str, QueueRow]
    held: dict[str, DecisionRow]
    workers: list[WorkerRow]
    series: Series
    counts: dict[str, int]
    alarms: list[Alarm]
    troubles: list[Trouble]

    def document(self) -> dict[str, Any]:
        """Give it for programs."""
        return {
            "at": self.at,
            "items": self.minutes,
            "workers": self.workers,
            "rates": self.series.points,
            "counts": self.counts,
            "alarms": [{**asdict(one), "command": command(one)} for one in self.alarms],
            "errors": self.troubles,
        }


class Looker:
    """Looks at a database, at one queue of it or at all; remembers what alarms and errors need.

    `opened` gives the connections at each look, and raises where there are none to be had.
    """

    def __init__(self, opened: Callable[[], Pool], queue: str | None = None) -> None:
        self._opened = opened
        self._queue = queue
        self._growth = Growth()
        self._grouped: tuple[float, list[DeadGroup]] | None = None

    def look(self) -> Seen:
        """Look once. Raises `DatabaseUnavailableError` where the database cannot be reached."""
        return self._opened().together(self._read)

    def _read(self, run: Run) -> Seen:
        queues = [row for row in run(look.queues()) if self._queue in (None, row.name)]
        minutes = [one for one in stats.minutes_of(run, queues) if self._queue in (None, one.queue)]
        workers = [one for one in run(look.workers()) if self._queue is None or self._queue in one.queues]
        series = run(stats.series(WINDOW_SECONDS, stats.BUCKET_SECONDS, self._queue))
        decided = run(look.decisions(kind="policy", queue=self._queue, limit=DECISIONS))
        transactions = run(doctor.old_transactions())
        found = alarms(
            queues,
            workers,
            before=self._growth.since(time.monotonic(), queues),
            lapsed=run(doctor.lapsed_leases()),
            transactions=transactions,
        )
        return Seen(
            at=series.at,
            minutes=minutes,
            queues={row.name: row for row in queues},
            # the newest comes first, and stays
            held={
                one.queue: one
                for one in reversed(decided)
                if (series.at - one.last_at).total_seconds() < RECENT_SECONDS
            },
            workers=workers,
            series=series,
            counts=run(look.counts()),
            alarms=found,
            troubles=troubles(self._groups(run), self._retrying(run), TROUBLES),
        )

    def _groups(self, run: Run) -> list[DeadGroup]:
        now = time.monotonic()
        if self._grouped is None or now - self._grouped[0] > GROUPED_SECONDS:
            self._grouped = now, run(look.dead_groups(queue=self._queue, limit=GROUPS))
        return self._grouped[1]

    def _retrying(self, run: Run) -> list[JobRow]:
        return look.listing(run, JobFilter(state=State.RETRYING, queue=self._queue, limit=RETRYING)).items


class Pace:
    """Says when to look: a look that took longer than the seconds between two is not made up for."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._next_at = time.monotonic()

    def rest(self) -> float:
        """Give the seconds until the next look."""
        now = time.monotonic()
        self._next_at = max(self._next_at + self._interval, now)
        return self._next_at - now


@dataclass(frozen=True, slots=True)
class Outage:
    """Since when nothing is to be seen, in this process' seconds, and why; `away` where no answer comes at all."""

    since: float
    why: str
    away: bool


class Watch(threading.Thread):
    """Looks in a thread of its own, so that keys and sizes are heeded while the database does not answer.

    A database that cannot be reached is looked for again, and `outage` tells of it. Any other error ends it, and is
    in `error`.
    """

    def __init__(self, looker: Looker, interval: float, count: int | None) -> None:
        super().__init__(name="pgflow-top", daemon=True)
        self._looker = looker
        self._interval = interval
        self._left = count
        self._over = threading.Event()
        self.changed = threading.Event()
        self.seen: Seen | None = None
        self.outage: Outage | None = None
        self.error: Exception | None = None

    def run(self) -> None:
        """Look until told to end, or as often as asked."""
        pace = Pace(self._interval)
        while not self._over.is_set() and self._left != 0:
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - it is raised by who waits for this thread
                self.error = error
                break
            self.changed.set()
            self._over.wait(pace.rest())
        self._over.set()
        self.changed.set()

    @property
    def over(self) -> bool:
        """True where it has ended, or is about to."""
        return self._over.is_set()

    def end(self) -> None:
        """Tell it to end."""
        self._over.set()

    def _look(self) -> None:
        try:
            seen = self._looker.look()
        except FAULTS as error:
            away = isinstance(error, DatabaseUnavailableError)
            if self.seen is None and not away:
                raise  # a refusal that was there from the beginning is no outage
            since = self.outage.since if self.outage else time.monotonic()
            self.outage = Outage(since, redacted_text(" ".join(str(error).split())), away)
            return
        self.seen, self.outage = seen, None
        if self._left is not None:
            self._left -= 1
