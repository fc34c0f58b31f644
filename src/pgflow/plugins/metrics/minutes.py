"""Keeps the stats by the minute, so that a day is read from 1,440 rows, however many tasks and workers there were."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgflow.admin import Statement, literal, load, nothing, stats

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.admin import Run

MINUTE_SECONDS: Final = 60
MINUTE: Final = timedelta(minutes=1)
AGAIN: Final = timedelta(minutes=5)
"""How many kept minutes a round keeps anew: a flush is counted when it began, and may have ended behind a round."""
AT_ONCE: Final = timedelta(hours=1)
KEPT_SECONDS: Final = 2 * 86_400.0
ALL: Final = "*"

NEWEST: Final = load("newest", package=__package__)
KEEP: Final = load("keep", package=__package__)
MINUTES: Final = load("minutes", package=__package__)
FORGET: Final = load("forget", package=__package__)


class Mark(NamedTuple):
    """How far the minutes are kept: the newest, and the first ten seconds on record behind it.

    `oldest` is the first minute on record, None where there is none: `pgflow reset` and pruning empty the stats, and
    what was kept of them before is no longer to be seen.
    """

    now: datetime
    newest: datetime | None
    next: datetime | None
    oldest: datetime | None


def keep(run: Run) -> bool:
    """Keep an hour of minutes that have ended, oldest first; False where none is left."""
    mark = run(newest())
    open_minute = stats.first_of(mark.now, MINUTE_SECONDS, 1)
    if mark.next is None and mark.newest is None:
        return False
    beginning = mark.next or open_minute
    since = mark.newest - AGAIN if mark.newest else stats.first_of(beginning, MINUTE_SECONDS, 1)
    until = min(stats.first_of(beginning, MINUTE_SECONDS, 1) + AT_ONCE, open_minute)
    if since < until:
        _, sums = run(stats.by_step(MINUTE_SECONDS, since, until, by_queue=True))
        run(_keep({**_totals(sums), **{(queue or ALL, at): found for (queue, at), found in sums.items()}}))
    return until < open_minute


def forget() -> Statement[None]:
    """Forget minutes older than two days: no window is longer than one."""
    return Statement(FORGET, {"seconds": KEPT_SECONDS}, nothing)


def newest() -> Statement[Mark]:
    """Ask how far the minutes are kept."""
    return Statement(NEWEST, {}, lambda rows: Mark._make(at and at.astimezone(UTC) for at in rows[0]))


def series(run: Run, window: int, step: int, queue: str | None = None) -> stats.Series:
    """Read a window in steps of whole minutes: those that are kept, and what came after them from the stats.

    Raises `ValueError` as `stats.series` does.
    """
    steps = stats.steps_of(window, step)
    mark = run(newest())
    since = stats.first_of(mark.now, step, steps)
    after = max(since, mark.newest + MINUTE) if mark.newest else since
    now, found = run(stats.by_step(MINUTE_SECONDS, after, None, queue))
    by_minute = {at: sums for (_, at), sums in found.items()}
    if mark.oldest is not None:
        by_minute |= {at: sums for at, sums in run(_minutes(queue, max(since, mark.oldest))).items() if at < after}
    by_step: dict[datetime, stats.Sums] = {}
    for at, sums in by_minute.items():
        first = stats.first_of(at, step, 1)
        by_step[first] = by_step[first].plus(sums) if first in by_step else sums
    return stats.drawn(now, step, steps, by_step)


def _minutes(queue: str | None, since: datetime) -> Statement[dict[datetime, stats.Sums]]:
    return Statement(
        MINUTES,
        {"queue": queue, "since": since},
        lambda rows: {row[0].astimezone(UTC): stats.Sums._make([*row[1], *row[2:]]) for row in rows},
    )


def _totals(sums: Mapping[tuple[str | None, datetime], stats.Sums]) -> dict[tuple[str, datetime], stats.Sums]:
    totals: dict[tuple[str, datetime], stats.Sums] = {}
    for (_, at), found in sums.items():
        totals[ALL, at] = totals[ALL, at].plus(found) if (ALL, at) in totals else found
    return totals


def _keep(sums: Mapping[tuple[str, datetime], stats.Sums]) -> Statement[None]:
    minutes: list[dict[str, Any]] = [
        {
            "queue": queue, "minute": at.isoformat(), "ends": literal(found[: stats.ENDS]),
            "wait_seconds": found.wait_seconds, "run_seconds": found.run_seconds, "waits": literal(found.waits),
            "runs": literal(found.runs),
        }
        for (queue, at), found in sums.items()
    ]  # fmt: skip
    return Statement(KEEP, {"minutes": json.dumps(minutes)}, nothing)
