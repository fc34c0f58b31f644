"""The list of jobs: filters in the address, pages by keyset, and many jobs chosen for one action."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow import State
from pgflow.admin import Problem, id_time
from pgflow.plugins.admin.api.bulk import FITTING
from pgflow.plugins.admin.pages import filters
from pgflow.plugins.admin.pages.glances import counts, queue_names
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.page import Answered

LIMIT: Final = 50
COUNTED_SECONDS: Final = 3.0
"""How old the counts beside the states may be: with a million jobs, counting takes longer than the list."""
ACTIONS: Final = (("retry", "Run now"), ("replay", "Replay"), ("cancel", "Cancel"), ("discard", "Discard"))


def show(desk: Desk) -> Answered:
    """Show a page of the list; a job's id in the search leads to the job."""
    sought = desk.param("q").strip()
    if filters.JOB_ID.fullmatch(sought):
        return Elsewhere(f"jobs/{sought.lower()}")
    joined = filters.joined_argument(desk)
    if joined is not None:
        return Elsewhere(joined)
    problem, page = None, None
    try:
        page = desk.ask("list_jobs", {"limit": LIMIT, **dict(desk.params)})
    except Problem as error:
        if error.status not in (400, 422):
            raise
        problem = error
    state = desk.param("state")
    given: dict[str, Any] = {
        "jobs": page.items if page else [],
        "page": page,
        "problem": problem,
        "scanned_at": id_time(page.items[-1].id) if page and page.items else None,
        "states": [one.value for one in State],
        "state": state,
        "counts": counts(desk.app, COUNTED_SECONDS),
        "fields": filters.FIELDS,
        "chips": filters.chips(desk, "state"),
        "kept": filters.kept(desk),
        "set_fields": [name for name, _ in desk.params if name not in ("state", "q", *filters.OF_LIST)],
        "queues": queue_names(desk.app),
        "tasks": sorted(desk.app.tasks),
        "actions": actions(desk, state),
        "carried": [(f"{filters.PREFIX}{name}", value) for name, value in desk.params if name not in filters.OF_LIST],
        "is_first": not desk.param("cursor"),
    }
    return Shown("jobs.html", given, problem.status if problem else 200)


def actions(desk: Desk, state: str) -> list[tuple[str, str]]:
    """Give the actions that fit a state, or any where there is none; none where nothing may be changed."""
    if not desk.may("bulk_jobs"):
        return []
    return [(name, words) for name, words in ACTIONS if not state or state in FITTING[name]]


PAGES = (Page(path="jobs", name="jobs", show=show, title="Jobs", icon="jobs", key="j"),)
