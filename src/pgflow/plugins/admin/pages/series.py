"""The charts of what /stats tells, of all queues or of one, and the share of attempts that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgflow.plugins.admin.pages.charts import Wanted, chart

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.charts import Chart

WINDOWS: Final = ("1m", "5m", "15m", "1h", "6h", "24h")
DEFAULT: Final = "1h"
PERCENTILES: Final = (("p50", "soft"), ("p95", "middle"), ("p99", "strong"))


@dataclass(frozen=True, slots=True)
class Rates:
    """A point of the first chart."""

    at: Any
    jobs_per_sec: float
    failed_per_sec: float


def charts(series: Any, **which: str) -> list[Chart]:
    """Draw a series; its numbers lead to lists of jobs, with `which` among their filters."""
    points, total = series["items"], series["total"]
    wait = [Wanted(f"wait_{name}_ms", name, colour, params=which | {"state": "queued"}) for name, colour in PERCENTILES]
    run = [Wanted(f"run_{name}_ms", name, colour, params=which | {"state": "running"}) for name, colour in PERCENTILES]
    ends = [
        Wanted("jobs_per_sec", "ended", "good", params=which | {"state": "succeeded"}),
        Wanted("failed_per_sec", "failed", "bad", params=which | {"state": "retrying"}),
    ]
    # the last one is under way, and what ends is counted some seconds later
    ended = points[:-1] if len(points) > 1 else points
    return [
        chart("ends", "Jobs a second", "/s", [_rates(point) for point in ended], _rates(total), ends),
        chart("wait", "Wait until they start", "s", ended, total, wait, 0.001),
        chart("run", "Run time", "s", ended, total, run, 0.001),
    ]


def error_rate(total: Any) -> float | None:
    """Give the share of attempts that failed; None where there were none."""
    whole = total.succeeded + total.failed
    return total.failed / whole if whole else None


def _rates(point: Any) -> Rates:
    return Rates(point.at, point.jobs_per_sec, round(point.failed / point.seconds, 3) if point.seconds else 0.0)
