"""The schedules, and one of them: when it fired and when it will, its pause, and a run by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.admin import Problem, trees
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered

LIMIT: Final = 100
LIST: Final = "list"
"""Where a form of the list comes from, and goes back to."""


def show_all(desk: Desk) -> Shown:
    """Show a page of them, in the order of their names."""
    page = desk.ask("list_schedules", {"limit": LIMIT, "cursor": desk.param("cursor")})
    given = {
        "page": page,
        "schedules": page.items,
        "is_first": not desk.param("cursor"),
        "may_pause": desk.may("pause_schedule"),
        "may_run": desk.may("run_schedule"),
    }
    return Shown("schedules.html", given)


def show(desk: Desk) -> Shown:
    """Show one."""
    row = desk.ask("get_schedule", name=desk.path["name"])
    call = {"args": row.args, "kwargs": row.kwargs} if row.args and row.kwargs else row.args or row.kwargs
    given = {
        "row": row,
        "arguments": trees.tree(call),
        "may_pause": desk.may("pause_schedule"),
        "may_run": desk.may("run_schedule"),
    }
    return Shown("schedule.html", given)


def act(desk: Desk, form: Form) -> Answered:
    """Pause it, let it go on, or make its job now."""
    name, action = desk.path["name"], form.one("action")
    back = "schedules" if form.one("from") == LIST else f"schedules/{name}"
    if action == "pause":
        desk.ask("pause_schedule", body={"reason": form.one("reason").strip() or None}, name=name)
        return Elsewhere(f"{back}?did=schedule-paused")
    if action == "resume":
        desk.ask("resume_schedule", name=name)
        return Elsewhere(f"{back}?did=schedule-resumed")
    if action == "run":
        made = desk.ask("run_schedule", name=name)
        return Elsewhere(f"jobs/{made.job_id}?did=ran")
    raise Problem(422, "INVALID_VALUE", "there is no such action", pointer="/action")


PAGES = (
    Page(
        path="schedules", name="schedules", show=show_all, title="Schedules", icon="schedules", key="s",
        needs="list_schedules",
    ),
    Page(path="schedules/{name}", name="schedule", show=show, act=act),
)  # fmt: skip
