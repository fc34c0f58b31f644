"""The queues, and one of them: what waits and runs, who works on it, how it went; its pause and its limits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import Problem
from pgflow.plugins.admin.api.fields import INT32_MAX
from pgflow.plugins.admin.api.queues import bare
from pgflow.plugins.admin.pages.glances import minute_of, queue_lines, worker_lines
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown
from pgflow.plugins.admin.pages.series import DEFAULT, WINDOWS, charts, error_rate

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.plugins.admin.api.queues import QueueItem
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered

DECISIONS: Final = 5
NAME: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")


@dataclass(frozen=True, slots=True)
class LimitField:
    """A limit that can be set: its field of the API, what it is called, and what it means."""

    name: str
    label: str
    hint: str
    least: int


LIMITS: Final = (
    LimitField("max_in_flight", "Jobs in flight", "in the hands of all workers together", 1),
    LimitField("max_attempts_per_minute", "Attempts a minute", "begun in any 60 s, by all workers together", 1),
    LimitField("throttle_delay_ms", "Rest, in ms", "how long it is left alone when it is held back", 0),
)


def show_all(desk: Desk) -> Shown:
    """Show all of them: those in trouble first, and else by name, so that rows stay where they are."""
    lines = sorted(queue_lines(desk), key=lambda line: (not _in_trouble(line.row), line.row.name))
    return Shown("queues.html", {"queues": lines})


def show(desk: Desk) -> Shown:
    """Show one."""
    return _shown(desk)


def act(desk: Desk, form: Form) -> Answered:
    """Pause it, let it go on, or set its limits; limits that are none come back with what was written."""
    name, action = desk.path["queue"], form.one("action")
    if action == "pause":
        desk.ask("pause_queue", body={"reason": form.one("reason").strip() or None}, queue=name)
        return Elsewhere(f"queues/{name}?did=paused")
    if action == "resume":
        desk.ask("resume_queue", queue=name)
        return Elsewhere(f"queues/{name}?did=resumed")
    if action != "limits":
        raise Problem(422, "INVALID_VALUE", "there is no such action", pointer="/action")
    written = {field.name: form.one(field.name) for field in LIMITS}
    try:
        desk.ask("limit_queue", body={field.name: limit_of(field, written[field.name]) for field in LIMITS}, queue=name)
    except Problem as problem:
        if problem.status != 422:  # noqa: PLR2004 - all else is a page of its own
            raise
        return _shown(desk, written, problem)
    return Elsewhere(f"queues/{name}?did=limited")


def limit_of(field: LimitField, text: str) -> int | None:
    """Read a limit: a whole number, or nothing for none. Raises `Problem`, 422, with a pointer to the field."""
    bare = text.strip()
    if not bare:
        return None
    if not (bare.isascii() and bare.isdigit() and len(bare) < 11 and field.least <= int(bare) <= INT32_MAX):  # noqa: PLR2004 - digits of an int32
        detail = f"{field.label}: must be a whole number from {field.least} to {INT32_MAX:,}, or empty for no limit"
        raise Problem(422, "INVALID_VALUE", detail, pointer=f"/{field.name}")
    return int(bare)


def _shown(desk: Desk, written: Mapping[str, str] | None = None, problem: Problem | None = None) -> Shown:
    name, window = desk.path["queue"], desk.param("window", DEFAULT)
    row = _row(desk, name)
    series = desk.ask_if_there("stats", {"window": window, "queue": name})
    stands = {field.name: "" if (value := getattr(row, field.name)) is None else str(value) for field in LIMITS}
    given = {
        "row": row,
        "minute": minute_of(desk, name),
        "window": window,
        "windows": WINDOWS,
        "total": series and series["total"],
        "error_rate": error_rate(series["total"]) if series else None,
        "charts": charts(series, queue=name) if series else [],
        "step": series and series["step_seconds"],
        "workers": worker_lines(desk, name),
        "decisions": desk.ask("list_decisions", {"queue": name, "limit": DECISIONS}).items,
        "limits": LIMITS,
        "written": written or stands,
        "problem": problem,
        "wrong": (problem.pointer or "").removeprefix("/") if problem else "",
        "may_pause": desk.may("pause_queue"),
        "may_resume": desk.may("resume_queue"),
        "may_limit": desk.may("limit_queue"),
    }
    return Shown("queue.html", given, problem.status if problem else 200)


def _row(desk: Desk, name: str) -> QueueItem:
    try:
        row: QueueItem = desk.ask("get_queue", queue=name)
    except Problem as problem:
        # jobs that ended long ago lead to queues of which nothing else is left
        if problem.code != "QUEUE_NOT_FOUND" or not NAME.fullmatch(name):
            raise
        if not desk.ask("list_jobs", {"queue": name, "limit": 1}).items:
            raise
        return bare(name)
    return row


def _in_trouble(row: Any) -> bool:
    return bool(row.paused or (row.depth and not row.workers))


PAGES = (
    Page(path="queues", name="queues", show=show_all, title="Queues", icon="queues", key="q"),
    Page(path="queues/{queue}", name="queue", show=show, act=act),
)
