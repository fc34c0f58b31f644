"""The decisions: what guardrails refused and policies put off, over time, by reason and one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import Problem, words
from pgflow.plugins.admin.api.decided import WINDOWS, Decided
from pgflow.plugins.admin.pages import filters
from pgflow.plugins.admin.pages.charts import Chart, Wanted, chart
from pgflow.plugins.admin.pages.glances import queue_names
from pgflow.plugins.admin.pages.page import Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk

LIMIT: Final = 50
DEFAULT: Final = "24h"
REASONS: Final = 12
OWN: Final = ("queue", "reason_code", "window")
KINDS: Final = {"": "All", "ingest": "Refused enqueues", "policy": "Jobs put off"}


def show(desk: Desk) -> Shown:
    """Show them."""
    window = desk.param("window", DEFAULT)
    asked = [(name, value) for name, value in desk.params if name != "window"]
    problem, page, told = None, None, None
    try:
        page = desk.ask("list_decisions", [("limit", str(LIMIT)), *asked])
        told = desk.ask("decision_stats", [(name, value) for name, value in desk.params if name in OWN])
    except Problem as error:
        if error.status not in (400, 422):
            raise
        problem = error
    kind = desk.param("kind")
    reasons = [one for one in told.reasons if kind in ("", one.kind)] if told else []
    given: dict[str, Any] = {
        "page": page,
        "decisions": page.items if page else [],
        "problem": problem,
        "told": told,
        "chart": _chart(told, desk) if told else None,
        "reasons": reasons[:REASONS],
        "most": max((one.count for one in reasons), default=1),
        "window": window,
        "windows": list(WINDOWS),
        "kind": kind,
        "kinds": KINDS,
        "fields": filters.OF_DECISIONS,
        "kept": [(name, value) for name, value in desk.params if name in ("kind", "window")],
        "chips": filters.chips(desk, "kind", "window"),
        "known": {"queue": queue_names(desk.app), "reason_code": sorted({one.reason_code for one in reasons})},
        "is_first": not desk.param("cursor"),
    }
    return Shown("decisions.html", given, problem.status if problem else 200)


def _chart(told: Decided, desk: Desk) -> Chart:
    also = {name: value for name, value in desk.params if name in OWN}
    wanted = [
        Wanted("ingest", "refused", "bad", "decisions", also | {"kind": "ingest"}),
        Wanted("policy", "put off", "good", "decisions", also | {"kind": "policy"}),
    ]
    title = f"Decisions in each {words.span(told.step_seconds)}"
    # they are counts: the step under way tells of what is being decided now
    return chart("decided", title, "", told.items, told.total, wanted)


PAGES = (Page(path="decisions", name="decisions", show=show, title="Decisions", icon="decisions", key="c"),)
