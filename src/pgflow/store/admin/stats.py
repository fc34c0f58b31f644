"""Reads the stats rollup: exact counts and estimated percentiles, of the last minute or up to a day; counts no job."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce
from typing import TYPE_CHECKING, Any, Final

from pgflow.store.admin import look
from pgflow.store.admin.figures import ENDS, Point, QueueMinute, Series, Sums
from pgflow.store.admin.histogram import percentiles
from pgflow.store.statement import Statement, load

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgflow.store.admin import Run
    from pgflow.store.statement import Rows
    from pgflow.views import QueueRow

__all__ = [
    "BUCKET_SECONDS",
    "ENDS",
    "MOST_POINTS",
    "Point",
    "QueueMinute",
    "Series",
    "Sums",
    "by_step",
    "drawn",
    "first_of",
    "last_minute",
    "minutes_of",
    "series",
    "steps_of",
]

BUCKET_SECONDS: Final = 10
MINUTE_BUCKETS: Final = 6
"""The ten seconds under way and the five times ten before: never older than 60 s, and at least 50 s of it."""
MOST_POINTS: Final = 1_440
ORIGIN: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Where all steps are counted from, as in the rollup itself."""
SUMS: Final = load("stats/sums")


def last_minute(run: Run) -> list[QueueMinute]:
    """Look at the last 50 to 60 s of every queue that has settings, jobs, a live worker or an attempt in that time."""
    queues = run(look.queues())
    return minutes_of(run, queues)


def minutes_of(run: Run, queues: Sequence[QueueRow]) -> list[QueueMinute]:
    """Give the last minute of queues that have been looked at, and of those with an attempt in that time."""
    standing = {row.name: row for row in queues}
    now, since, sums = run(_minute())
    span = (now - since).total_seconds()
    names = sorted({*standing, *sums})
    return [_queue_minute(name, now, span, standing.get(name), sums.get(name, Sums())) for name in names]


def series(window: int, step: int, queue: str | None = None) -> Statement[Series]:
    """Read a window of so many seconds in steps of so many, of one queue or of all, from every ten seconds on record.

    Raises `ValueError` for a step that is no multiple of 10 s, or of more than 1,440 steps.
    """
    steps = steps_of(window, step)
    return Statement(
        SUMS,
        _params(step=step, steps=steps, queue=queue, by_step=True),
        lambda rows: drawn(rows[0][0], step, steps, {at: found for (_, at), found in _read_sums(rows).items()}),
    )


def by_step(
    step: int,
    since: datetime,
    until: datetime | None = None,
    queue: str | None = None,
    *,
    by_queue: bool = False,
) -> Statement[tuple[datetime, dict[tuple[str | None, datetime], Sums]]]:
    """Read the database's time, and what there was by queue, or None for all of them together, and step."""
    params = _params(step=step, since=since, until=until, queue=queue, by_step=True, by_queue=by_queue)
    return Statement(SUMS, params, lambda rows: (rows[0][0].astimezone(UTC), _read_sums(rows)))


def steps_of(window: int, step: int) -> int:
    """Count the steps of a window, the last of which is under way. Raises `ValueError` as `series` does."""
    steps = -(-window // step) if step > 0 else 0
    if step % BUCKET_SECONDS or not 0 < steps <= MOST_POINTS:
        msg = f"{window} s in steps of {step} s: take a multiple of {BUCKET_SECONDS} s, and at most {MOST_POINTS} steps"
        raise ValueError(msg)
    return steps


def first_of(now: datetime, step: int, steps: int) -> datetime:
    """Say when the first of so many steps began, the last of which holds `now`."""
    passed = (now - ORIGIN) // timedelta(seconds=step)
    return ORIGIN + (passed - steps + 1) * timedelta(seconds=step)


def drawn(now: datetime, step: int, steps: int, sums: Mapping[datetime, Sums]) -> Series:
    """Make a series of what there was by step."""
    # in UTC, for a sum of times in a zone with a summer time is off by an hour
    at = now.astimezone(UTC)
    first = first_of(at, step, steps)
    times = [first + n * timedelta(seconds=step) for n in range(steps)]
    points = [_point(time, min(step, (at - time).total_seconds()), sums.get(time, NONE)) for time in times]
    whole = reduce(Sums.plus, (sums[time] for time in times if time in sums), NONE)
    return Series(at, step, points, _point(first, (at - first).total_seconds(), whole))


def _minute() -> Statement[tuple[datetime, datetime, dict[str, Sums]]]:
    params = _params(step=BUCKET_SECONDS, steps=MINUTE_BUCKETS, by_queue=True)
    return Statement(
        SUMS,
        params,
        lambda rows: (rows[0][0], rows[0][1], {queue: found for (queue, _), found in _read_sums(rows).items()}),
    )


def _params(**given: Any) -> dict[str, Any]:
    nothing = dict.fromkeys(("steps", "since", "until", "queue"))
    return {**nothing, "by_step": False, "by_queue": False, **given}


def _read_sums(rows: Rows) -> dict[Any, Sums]:
    found = {}
    for _now, _since, queue, step, counts, *numbers, waits, runs in rows:
        if counts is not None:
            # where nothing ran there is no sum of any class
            histograms = (waits, runs) if waits[0] is not None else ((), ())
            at = step.astimezone(UTC) if step else None
            found[queue, at] = Sums._make([*(n or 0 for n in counts), *(n or 0.0 for n in numbers), *histograms])
    return found


def _point(at: datetime, seconds: float, found: Sums) -> Point:
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
