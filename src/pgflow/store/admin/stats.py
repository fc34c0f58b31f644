"""Reads the stats rollup: exact counts and estimated percentiles, of the last minute or up to a day; counts no job."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgflow.store.admin import look
from pgflow.store.admin.histogram import percentiles
from pgflow.store.statement import Statement, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgflow.store.admin import Run
    from pgflow.store.statement import Rows
    from pgflow.views import QueueRow

BUCKET_SECONDS: Final = 10
MINUTE_BUCKETS: Final = 6
"""The ten seconds under way and the five times ten before: never older than 60 s, and at least 50 s of it."""
MOST_POINTS: Final = 1_440
SUMS: Final = load("stats/sums")
CONDENSE: Final = load("stats/condense", repeatable=False)


class Sums(NamedTuple):
    """What the rollup says of one queue or one step: attempts by their end, and times of those that ran, seconds."""

    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    dead: int = 0
    cancelled: int = 0
    expired: int = 0
    snoozed: int = 0
    wait_seconds: float = 0.0
    run_seconds: float = 0.0
    waits: Sequence[int] = ()
    runs: Sequence[int] = ()

    @property
    def jobs(self) -> int:
        """The jobs that ended, well or not."""
        return self.succeeded + self.dead + self.cancelled + self.expired

    @property
    def failures(self) -> int:
        """The attempts that failed: those that come back, those that were the last, and those lost with a worker."""
        return self.failed + self.lost + self.dead

    def share(self, part: int) -> float | None:
        """Give a part of the attempts that succeeded or failed as a share; None where there were none."""
        whole = self.succeeded + self.failures
        return part / whole if whole else None

    def mean_run(self) -> float | None:
        """Give the mean run time, seconds; None where nothing ran."""
        ran = sum(self.runs)
        return self.run_seconds / ran if ran else None


@dataclass(frozen=True, slots=True)
class QueueMinute:
    """One queue over the last 50 to 60 s: what waits and runs now, and how attempts ended.

    `jobs_per_sec` counts jobs that ended, over the seconds that were really looked at. `success_rate` and
    `retry_rate` are shares of the attempts that succeeded or failed. Latency is run time. What there was nothing to
    tell from is None.
    """

    at: datetime
    queue: str
    runnable_queue_depth: int
    running: int
    jobs_per_sec: float
    success_rate: float | None
    retry_rate: float | None
    mean_latency_ms: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    oldest_wait_ms: float | None
    span_seconds: float
    succeeded: int
    failed: int
    depth_is_estimate: bool
    scheduled: int
    workers: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a series; `seconds` is how much of it has passed, less than a step for the last point only.

    `failed` counts failed attempts, `retried` those of them that came back and `dead` those that were the last.
    """

    at: datetime
    seconds: float
    succeeded: int
    failed: int
    retried: int
    dead: int
    jobs: int
    jobs_per_sec: float
    run_p50_ms: float | None
    run_p95_ms: float | None
    run_p99_ms: float | None
    wait_p50_ms: float | None
    wait_p95_ms: float | None
    wait_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Every step of a window in order, those without a job too; the last is under way."""

    at: datetime
    step_seconds: int
    points: list[Point]


def last_minute(run: Run) -> list[QueueMinute]:
    """Look at the last 50 to 60 s of every queue that has settings, jobs, a live worker or an attempt in that time."""
    standing = {row.name: row for row in run(look.queues())}
    now, since, sums = run(_minute())
    span = (now - since).total_seconds()
    names = sorted({*standing, *sums})
    return [_queue_minute(name, now, span, standing.get(name), sums.get(name, Sums())) for name in names]


def series(window: int, step: int, queue: str | None = None) -> Statement[Series]:
    """Read a window of so many seconds in steps of so many, of one queue or of all.

    Raises `ValueError` for a step that is no multiple of 10 s, or of more than 1,440 steps.
    """
    steps = -(-window // step) if step > 0 else 0
    if step % BUCKET_SECONDS or not 0 < steps <= MOST_POINTS:
        msg = f"{window} s in steps of {step} s: take a multiple of {BUCKET_SECONDS} s, and at most {MOST_POINTS} steps"
        raise ValueError(msg)
    params = {"steps": steps, "step": step, "by_queue": False, "queue": queue}
    return Statement(SUMS, params, lambda rows: _read_series(rows, steps, step))


def condense() -> Statement[int]:
    """Keep what is older than an hour by the minute and over all workers, ten minutes of it; gives how many rows went.

    To be run until it gives 0. A day is then read from 1,440 minutes, however many workers there were.
    """
    return Statement(CONDENSE, {}, lambda rows: int(rows[0][0]))


def _minute() -> Statement[tuple[datetime, datetime, dict[str, Sums]]]:
    params = {"steps": MINUTE_BUCKETS, "step": BUCKET_SECONDS, "by_queue": True, "queue": None}
    return Statement(SUMS, params, lambda rows: (rows[0][0], rows[0][1], _read_sums(rows, 2)))


def _read_sums(rows: Rows, key: int) -> dict[Any, Sums]:
    found = {}
    for row in rows:
        if row[key] is not None:
            counts, wait_seconds, run_seconds, waits, runs = row[4:]
            # where nothing ran there is no sum of any class
            histograms = (waits, runs) if waits[0] is not None else ((), ())
            found[row[key]] = Sums._make(
                [*(n or 0 for n in counts), wait_seconds or 0.0, run_seconds or 0.0, *histograms]
            )
    return found


def _read_series(rows: Rows, steps: int, step: int) -> Series:
    # in UTC, for a sum of times in a zone with a summer time is off by an hour
    now, since = (moment.astimezone(UTC) for moment in rows[0][:2])
    sums = {at.astimezone(UTC): found for at, found in _read_sums(rows, 3).items()}
    times = [since + n * timedelta(seconds=step) for n in range(steps)]
    return Series(now, step, [_point(at, min(step, (now - at).total_seconds()), sums) for at in times])


def _point(at: datetime, seconds: float, sums: Mapping[datetime, Sums]) -> Point:
    found = sums.get(at, NONE)
    run = _percentiles(found.runs)
    wait = _percentiles(found.waits)
    return Point(
        at, round(seconds, 3), found.succeeded, found.failures, found.failed + found.lost, found.dead, found.jobs,
        round(found.jobs / seconds, 3) if seconds > 0 else 0.0, *run, *wait,
    )  # fmt: skip


def _queue_minute(name: str, now: datetime, span: float, row: QueueRow | None, sums: Sums) -> QueueMinute:
    p50, p95, p99 = _percentiles(sums.runs)
    return QueueMinute(
        at=now,
        queue=name,
        runnable_queue_depth=row.depth if row else 0,
        running=row.running if row else 0,
        jobs_per_sec=round(sums.jobs / span, 3),
        success_rate=sums.share(sums.succeeded),
        retry_rate=sums.share(sums.failed + sums.lost),
        mean_latency_ms=_ms(sums.mean_run()),
        p50_latency_ms=p50,
        p95_latency_ms=p95,
        p99_latency_ms=p99,
        oldest_wait_ms=_ms(row.oldest_wait) if row else None,
        span_seconds=round(span, 3),
        succeeded=sums.succeeded,
        failed=sums.failures,
        depth_is_estimate=row.depth_is_estimate if row else False,
        scheduled=row.scheduled if row else 0,
        workers=row.workers if row else 0,
        paused=row.paused if row else False,
    )


def _percentiles(classes: Sequence[int]) -> tuple[float | None, float | None, float | None]:
    p50, p95, p99 = percentiles(classes, (0.5, 0.95, 0.99))
    return _ms(p50), _ms(p95), _ms(p99)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1_000, 3)


NONE: Final = Sums()
