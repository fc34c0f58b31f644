"""The audit: who changed what through the admin, when, and how it ended."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from pgflow.admin import Problem, redacted
from pgflow.plugins.admin.pages import filters
from pgflow.plugins.admin.pages.page import Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk

LIMIT: Final = 50
REFUSED: Final = 400
ON: Final = re.compile(r"/(jobs|queues|schedules)/(?!\.\.?(?:/|$))([A-Za-z0-9_.:-]{1,128})(/[a-z]+)?", re.ASCII)
NO_JOB: Final = ("bulk",)


@dataclass(frozen=True, slots=True)
class AuditLine:
    """An entry: `leads_to` is the page of what was changed, if it has one; `ended` how it went, in a word."""

    entry: Any
    leads_to: str | None
    ended: str
    details: list[tuple[str, Any]]


def show(desk: Desk) -> Shown:
    """Show a page of it."""
    problem, page = None, None
    try:
        page = desk.ask("list_audit", [("limit", str(LIMIT)), *desk.params])
    except Problem as error:
        if error.status not in (400, 422):
            raise
        problem = error
    lines = [_line(entry) for entry in page.items] if page else []
    given = {
        "page": page,
        "lines": lines,
        "problem": problem,
        "fields": filters.OF_AUDIT,
        "chips": filters.chips(desk),
        "known": {
            "actor": sorted({desk.actor.name, *(line.entry.actor for line in lines)}),
            "action": desk.changes,
        },
        "is_first": not desk.param("cursor"),
    }
    return Shown("audit.html", given, problem.status if problem else 200)


def leads_to(resource: str) -> str | None:
    """Give the page of what a resource of the API is, below `/ui/`; None where it has none."""
    match = ON.fullmatch(unquote(resource))
    return f"{match[1]}/{match[2]}" if match and match[2] not in NO_JOB else None


def _line(entry: Any) -> AuditLine:
    ended = "refused" if entry.status >= REFUSED else "done"
    said = redacted(entry.result)
    details = [(name, value) for name, value in said.items() if value is not None] if isinstance(said, dict) else []
    return AuditLine(entry, leads_to(entry.resource), ended, details)


PAGES = (
    Page(path="audit", name="audit", show=show, title="Audit", icon="audit", key="a", needs="list_audit"),
)  # fmt: skip
