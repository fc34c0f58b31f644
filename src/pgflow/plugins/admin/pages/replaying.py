"""Replaying one job: a form with its arguments, then what would differ, then the deed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import Problem, trees, words
from pgflow.plugins.admin import strict_json
from pgflow.plugins.admin.pages.glances import queue_names
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered

KINDS: Final = (("args", list, "a JSON array"), ("kwargs", dict, "a JSON object"))


@dataclass(frozen=True, slots=True)
class Wish:
    """What the form says: texts as they were typed, for the form to be shown again."""

    queue: str
    run_at: str
    args: str
    kwargs: str


def show(desk: Desk) -> Shown:
    """Show the form, filled with the job's own."""
    job = _job(desk)
    return _form(desk, job, Wish("", "", words.pretty(job.args), words.pretty(job.kwargs)))


def act(desk: Desk, form: Form) -> Answered:
    """Show what would differ; with `confirm`, replay."""
    job = _job(desk)
    wish = Wish(form.one("queue").strip(), form.one("run_at").strip(), form.one("args"), form.one("kwargs"))
    if form.one("again"):
        return _form(desk, job, wish)
    try:
        given = _given(wish, job)
        if form.one("confirm"):
            told = desk.ask("replay_job", body=_body(given, wish, job), job_id=job.id)
            return Elsewhere(f"jobs/{told.new_job_id}?did=replayed")
    except Problem as problem:
        if problem.status not in (400, 422):
            raise
        return _form(desk, job, wish, problem)
    old, new = {"args": job.args, "kwargs": job.kwargs}, given
    rows = trees.compared(old, new) if old != new else []
    return Shown("replay_check.html", {"job": job, "wish": wish, "rows": rows, "masked": trees.is_masked(old)})


def _job(desk: Desk) -> Any:
    if not desk.may("replay_job"):
        raise Problem(403, "FORBIDDEN", "you may not replay jobs here")
    return desk.ask("get_job", job_id=desk.path["job_id"])


def _form(desk: Desk, job: Any, wish: Wish, problem: Problem | None = None) -> Shown:
    queues = queue_names(desk.app)
    given = {
        "job": job,
        "wish": wish,
        "problem": problem,
        "queues": queues,
        "masked": trees.is_masked([job.args, job.kwargs]),
    }
    return Shown("replay.html", given, problem.status if problem else 200)


def _given(wish: Wish, job: Any) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, kind, said in KINDS:
        text = getattr(wish, name)
        # a form without this field means the job's own
        value = strict_json.parse(text.encode()) if text.strip() else getattr(job, name)
        if not isinstance(value, kind):
            raise Problem(422, "INVALID_VALUE", f"{name} must be {said}", pointer=f"/{name}")
        given[name] = value
    return given


def _body(given: dict[str, Any], wish: Wish, job: Any) -> dict[str, Any]:
    body: dict[str, Any] = {name: given[name] for name, _, _ in KINDS if given[name] != getattr(job, name)}
    body |= {name: text for name, text in (("queue", wish.queue), ("run_at", wish.run_at)) if text}
    return body


PAGES = (Page(path="jobs/{job_id}/replay", name="replay", show=show, act=act),)
