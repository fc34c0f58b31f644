"""Figures of a run: how many jobs end a second, when that is back to what it was, and when nothing is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chaos.stage import Stage

ENDED = """
select extract(epoch from finished_at)::float8 from pgflow.attempts
where outcome in ('succeeded', 'dead', 'cancelled', 'expired') and finished_at >= to_timestamp(%(since)s) order by 1
"""
LEFT = """
select (select count(*) from pgflow.ready), (select count(*) from pgflow.scheduled),
  (select count(*) from pgflow.leases where job_ids <> '{}')
"""
OUTCOMES = "select outcome::text, count(*) from pgflow.attempts group by 1 order by 1"
SHARE = 0.9
LOOK_SECONDS = 0.25


def ended(stage: Stage, since: float) -> list[float]:
    """When jobs ended, from a moment on: by the database's clock, which is this machine's."""
    return [float(row[0]) for row in stage.ask(ENDED, {"since": since})]


def rate_between(stage: Stage, begin: float, end: float) -> float:
    """How many jobs ended a second."""
    return sum(begin <= moment < end for moment in ended(stage, begin)) / (end - begin)


def back_since(moments: list[float], begin: float, now: float, rate: float, window: float) -> float | None:
    """When jobs began to end at `rate` again, in two windows one after the other: what had gathered meanwhile may
    fill the first by itself. None where there is no such moment yet.
    """

    def is_full(start: float) -> bool:
        return start + window <= now and sum(start <= m < start + window for m in moments) >= rate * window

    starts = [begin, *(moment for moment in moments if moment > begin)]
    return next((start for start in starts if is_full(start) and is_full(start + window)), None)


def wait_until_back(stage: Stage, begin: float, rate: float, *, window: float, limit: float) -> float | None:
    """Wait until jobs end at 90 % of a rate again; gives the seconds from `begin`, None where it took too long."""
    while True:
        now = time.time()
        since = back_since(ended(stage, begin), begin, now, SHARE * rate, window)
        if since is not None:
            return since - begin
        if now > begin + limit + 2 * window:
            return None
        time.sleep(LOOK_SECONDS)


def wait_until_drained(stage: Stage, limit: float) -> tuple[float, tuple[int, ...]]:
    """Wait until no entry and no lease is left; gives the seconds it took, and what was left at the end."""
    begin = time.monotonic()
    while True:
        left = tuple(int(n) for n in stage.ask(LEFT)[0])
        took = time.monotonic() - begin
        if not any(left) or took > limit:
            return took, left
        time.sleep(LOOK_SECONDS)


def outcomes(stage: Stage) -> dict[str, Any]:
    """How many attempts ended how."""
    return {str(kind): int(count) for kind, count in stage.ask(OUTCOMES)}
