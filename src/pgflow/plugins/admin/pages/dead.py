"""Dead letters: by reason, task and error; the letters themselves; and their replay, counted before it is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import Problem
from pgflow.plugins.admin.pages import filters
from pgflow.plugins.admin.pages.glances import counts, queue_names
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered

LIMIT: Final = 50
MOST_GROUPS: Final = 200
MOST_REPLAYS: Final = 10_000
REASONS: Final = {
    "MAX_ATTEMPTS_EXCEEDED": "Failed as often as they were allowed to",
    "NON_RETRYABLE": "The task said that another try is of no use",
    "UNKNOWN_TASK": "Only workers that do not know the task met them",
    "WORKER_CRASHED": "The workers that ran them were lost",
}
BY: Final = ("queue", "job_type", "reason_code", "fingerprint", "error_code", "q")


@dataclass(slots=True)
class TaskGroup:
    """The errors one task died of, for one reason."""

    task: str
    count: int = 0
    groups: list[Any] = field(default_factory=list)


@dataclass(slots=True)
class ReasonGroup:
    """The tasks that gave up for one reason."""

    code: str
    words: str
    count: int = 0
    tasks: list[TaskGroup] = field(default_factory=list)


def show(desk: Desk) -> Shown:
    """Show the groups."""
    queue = desk.param("queue")
    groups = desk.ask("dead_groups", {"limit": MOST_GROUPS, "queue": queue}).items
    given = {
        "reasons": grouped(groups),
        "open": counts(desk.app)["dead"],
        "since": groups[0].since if groups else None,
        "queue": queue,
        "queues": queue_names(desk.app),
        "may_replay": desk.may("replay_dead"),
        "is_cut": len(groups) == MOST_GROUPS,
    }
    return Shown("dead.html", given)


def grouped(groups: list[Any]) -> list[ReasonGroup]:
    """Put groups below their task and its reason, the largest first."""
    reasons: dict[str, ReasonGroup] = {}
    for one in groups:
        reason = reasons.setdefault(one.reason_code, ReasonGroup(one.reason_code, REASONS.get(one.reason_code, "")))
        task = next((known for known in reason.tasks if known.task == one.task), None)
        if task is None:
            task = TaskGroup(one.task)
            reason.tasks.append(task)
        task.groups.append(one)
        task.count += one.count
        reason.count += one.count
    for reason in reasons.values():
        reason.tasks.sort(key=lambda task: -task.count)
    return sorted(reasons.values(), key=lambda reason: -reason.count)


def letters(desk: Desk) -> Answered:
    """Show the letters themselves."""
    joined = filters.joined_argument(desk)
    if joined is not None:
        return Elsewhere(joined)
    problem, page = None, None
    try:
        page = desk.ask("list_dead", {"limit": LIMIT, **dict(desk.params)})
    except Problem as error:
        if error.status not in (400, 422):
            raise
        problem = error
    given = {
        "page": page,
        "letters": page.items if page else [],
        "problem": problem,
        "scanned_at": page.items[-1].dead_at if page and page.items else None,
        "fields": (*filters.FIELDS, *filters.OF_DEAD),
        "chips": filters.chips(desk, "open"),
        "kept": filters.kept(desk, "reason_code", "fingerprint"),
        "set_fields": [name for name, _ in desk.params if name not in ("open", "q", *filters.OF_LIST)],
        "queues": queue_names(desk.app),
        "tasks": sorted(desk.app.tasks),
        # a replay of all that match heeds fewer filters than the list: it is not offered where it would take more
        "may_replay": desk.may("replay_dead")
        and all(name in (*BY, "open", *filters.OF_LIST) for name, _ in desk.params),
        "may_bulk": desk.may("bulk_jobs"),
        "carried": [(name, value) for name, value in desk.params if name in BY],
        "open_only": desk.param("open") == "true",
        "is_first": not desk.param("cursor"),
    }
    return Shown("letters.html", given, problem.status if problem else 200)


def replay(desk: Desk, form: Form) -> Answered:
    """Count first; with `confirm`, replay no more than were counted."""
    wanted = {name: value for name in BY if (value := form.one(name))}
    body: dict[str, Any] = {"filter": wanted, "limit": _whole(form.one("limit") or "1000")}
    if form.one("rate").strip():
        body["rate"] = _number(form.one("rate"))
    if form.one("confirm"):
        told = desk.ask("replay_dead", body=body)
        return Shown("dead_done.html", {"told": told, "wanted": wanted, "rate": body.get("rate")})
    told = desk.ask("replay_dead", body={**body, "dry_run": True})
    given = {"told": told, "wanted": wanted, "rate": body.get("rate"), "labels": filters.LABELS}
    return Shown("dead_check.html", given)


def _whole(text: str) -> int:
    if not text.isascii() or not text.strip().isdigit():
        raise Problem(422, "INVALID_VALUE", f"how many must be a whole number from 1 to {MOST_REPLAYS:,}")
    return int(text[:9])


def _number(text: str) -> float:
    try:
        return float(text if text.isascii() else "none")
    except ValueError:
        raise Problem(422, "INVALID_VALUE", "the rate must be a number: new jobs a second") from None


PAGES = (
    Page(path="dead", name="dead", show=show, title="Dead letters", icon="dead", key="d"),
    Page(path="dead/list", name="letters", show=letters),
    Page(path="dead/replay", name="replay_dead", show=lambda _desk: Elsewhere("dead"), act=replay),
)
