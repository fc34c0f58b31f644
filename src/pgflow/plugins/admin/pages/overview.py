"""The overview: what is wrong, what waits and runs, how it went over a window, and the last errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import troubles
from pgflow.plugins.admin.pages.charts import Wanted, chart
from pgflow.plugins.admin.pages.glances import counts, groups
from pgflow.plugins.admin.pages.page import Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.charts import Chart
    from pgflow.plugins.admin.pages.desk import Desk

WINDOWS: Final = ("1m", "5m", "15m", "1h", "6h", "24h")
DEFAULT: Final = "1h"
TROUBLES: Final = 8
RETRYING: Final = 100
MOST_GROUPS: Final = 100
PERCENTILES: Final = (("p50", "soft"), ("p95", "middle"), ("p99", "strong"))


@dataclass(frozen=True, slots=True)
class QueueLine:
    """A queue in the overview, with its last minute where metrics tells of it."""

    row: Any
    minute: Any


def show(desk: Desk) -> Shown:
    """Show it."""
    window = desk.param("window", DEFAULT)
    series = desk.ask_if_there("stats", {"window": window})
    queues = desk.ask("list_queues").items
    minutes = {one.queue: one for one in _items(desk.ask_if_there("metrics"))}
    retrying = desk.ask("list_jobs", {"state": "retrying", "limit": RETRYING}).items
    waited = [row for row in queues if row.oldest_wait_seconds is not None]
    given = {
        "window": window,
        "windows": WINDOWS,
        "alarms": desk.ask("list_alarms").items,
        "counts": counts(desk.app),
        "queues": [QueueLine(row, minutes.get(row.name)) for row in sorted(queues, key=lambda row: -row.depth)],
        "estimated": any(row.depth_is_estimate for row in queues),
        "oldest": max(waited, key=lambda row: row.oldest_wait_seconds or 0.0, default=None),
        "workers": sum(worker.alive for worker in desk.ask("list_workers").items),
        "total": series and series["total"],
        "error_rate": _error_rate(series["total"]) if series else None,
        "charts": _charts(series["items"], series["total"]) if series else [],
        "step": series and series["step_seconds"],
        "troubles": troubles.troubles(groups(desk, MOST_GROUPS), retrying, TROUBLES),
    }
    return Shown("overview.html", given)


def _charts(points: list[Any], total: Any) -> list[Chart]:
    wait = [Wanted(f"wait_{name}_ms", name, colour, params={"state": "queued"}) for name, colour in PERCENTILES]
    run = [Wanted(f"run_{name}_ms", name, colour, params={"state": "running"}) for name, colour in PERCENTILES]
    ends = [
        Wanted("jobs_per_sec", "ended", "good", params={"state": "succeeded"}),
        Wanted("failed_per_sec", "failed", "bad", "jobs", {"state": "retrying"}),
    ]
    # the last one is under way, and what ends is counted some seconds later
    ended = points[:-1] if len(points) > 1 else points
    return [
        chart("ends", "Jobs a second", "/s", [_rates(point) for point in ended], _rates(total), ends),
        chart("wait", "Wait until they start", "s", ended, total, wait, 0.001),
        chart("run", "Run time", "s", ended, total, run, 0.001),
    ]


@dataclass(frozen=True, slots=True)
class Rates:
    """A point of the first chart."""

    at: Any
    jobs_per_sec: float
    failed_per_sec: float


def _rates(point: Any) -> Rates:
    return Rates(point.at, point.jobs_per_sec, round(point.failed / point.seconds, 3) if point.seconds else 0.0)


def _error_rate(total: Any) -> float | None:
    whole = total.succeeded + total.failed
    return total.failed / whole if whole else None


def _items(answer: Any) -> list[Any]:
    return list(answer.items) if answer is not None else []


PAGES = (Page(path="", name="overview", show=show, title="Overview", icon="overview", key="o"),)
