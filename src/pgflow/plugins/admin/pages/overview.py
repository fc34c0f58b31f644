"""The overview: what is wrong, what waits and runs, how it went over a window, and the last errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.admin import troubles
from pgflow.plugins.admin.pages.glances import counts, groups, queue_lines
from pgflow.plugins.admin.pages.page import Page, Shown
from pgflow.plugins.admin.pages.series import DEFAULT, WINDOWS, charts, error_rate

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk

TROUBLES: Final = 8
RETRYING: Final = 100
MOST_GROUPS: Final = 100


def show(desk: Desk) -> Shown:
    """Show it."""
    window = desk.param("window", DEFAULT)
    series = desk.ask_if_there("stats", {"window": window})
    lines = queue_lines(desk)
    retrying = desk.ask("list_jobs", {"state": "retrying", "limit": RETRYING}).items
    waited = [line.row for line in lines if line.row.oldest_wait_seconds is not None]
    given = {
        "window": window,
        "windows": WINDOWS,
        "alarms": desk.ask("list_alarms").items,
        "counts": counts(desk.app),
        "queues": sorted(lines, key=lambda line: -line.row.depth),
        "estimated": any(line.row.depth_is_estimate for line in lines),
        "oldest": max(waited, key=lambda row: row.oldest_wait_seconds or 0.0, default=None),
        "workers": sum(worker.alive for worker in desk.ask("list_workers").items),
        "total": series and series["total"],
        "error_rate": error_rate(series["total"]) if series else None,
        "charts": charts(series) if series else [],
        "step": series and series["step_seconds"],
        "troubles": troubles.troubles(groups(desk, MOST_GROUPS), retrying, TROUBLES),
    }
    return Shown("overview.html", given)


PAGES = (Page(path="", name="overview", show=show, title="Overview", icon="overview", key="o"),)
