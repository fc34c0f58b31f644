"""One job: why it is where it is, its life to scale, its attempts, what it was given, and what can be done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pgflow import State
from pgflow.admin import Problem, life, steps, traces, trees, words
from pgflow.plugins.admin.api.bulk import FITTING
from pgflow.plugins.admin.pages.commands import as_curl
from pgflow.plugins.admin.pages.glances import alike
from pgflow.plugins.admin.pages.page import Elsewhere, Page, Shown

if TYPE_CHECKING:
    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form
    from pgflow.plugins.admin.pages.page import Answered

ACTIONS: Final = {"retry": "retry_job", "cancel": "cancel_job", "discard": "bulk_jobs"}
NOTES: Final = {"retried": "retried", "cancelled": "cancelled", "asked": "asked", "discarded": "discarded"}


@dataclass(frozen=True, slots=True)
class Run:
    """An attempt as the page has it: `is_open` where its details are unfolded, `where` the line that failed."""

    attempt: Any
    trace: list[traces.Part]
    where: traces.Frame | None
    is_open: bool
    result: trees.Node | None


def show(desk: Desk) -> Shown:
    """Show it."""
    return _shown(desk, None)


def act(desk: Desk, form: Form) -> Answered:
    """Run it now, cancel it, close its dead letter, or look at what is masked."""
    job_id, action = desk.path["job_id"], form.one("action")
    if action == "reveal":
        return _shown(desk, desk.ask("reveal_job", job_id=job_id))
    if action == "discard":
        told = desk.ask("bulk_jobs", body={"action": "discard", "ids": [job_id]}).items[0]
        if told.result != "discarded":
            raise Problem(409, "JOB_STATE", f"job {job_id} is {told.state}, and has no open dead letter to discard")
    elif action in ACTIONS:
        told = desk.ask(ACTIONS[action], job_id=job_id)
    else:
        raise Problem(422, "INVALID_VALUE", "there is no such action", pointer="/action")
    return Elsewhere(f"jobs/{job_id}?did={NOTES.get(told.result, 'bulk')}")


def _shown(desk: Desk, revealed: Any) -> Shown:
    job_id = desk.path["job_id"]
    job = desk.ask("get_job", job_id=job_id)
    told = desk.ask("job_timeline", job_id=job_id)
    explained = desk.ask("explain_job", job_id=job_id)
    family = desk.ask("job_lineage", job_id=job_id)
    stretches, runs = life.stretches(told.events), _runs(told.attempts)
    source, has_ended = revealed or job, State(job.state).is_final
    given = {
        "job": job,
        "told": told,
        "explained": explained,
        "paragraph": words.spoken(explained.explanation, job.id, job.task),
        "family": family if len(family.items) > 1 else None,
        "life": stretches,
        "scale": life.scaled(stretches),
        "runs": runs,
        "where": next((run.where for run in runs if run.is_open), None),
        "arguments": trees.tree(trees.call(source.args, source.kwargs)),
        "headers": trees.tree(source.headers) if source.headers else None,
        "revealed": revealed is not None,
        "may_reveal": revealed is None
        and trees.is_masked([job.args, job.kwargs, job.headers])
        and desk.may("reveal_job"),
        "alike": alike(desk, job) if job.state == "dead" and desk.may("dead_groups") else None,
        "actions": _actions(desk, job),
        "may_replay": has_ended and desk.may("replay_job"),
        "ended": has_ended,
        "curl": as_curl(desk, job),
        "cli": steps.commands(job),
    }
    return Shown("job.html", given)


def _runs(attempts: list[Any]) -> list[Run]:
    failed = [one.attempt_no for one in attempts if one.traceback or one.error_message]
    return [
        Run(
            one,
            traces.parts(one.traceback) if one.traceback else [],
            traces.failing(one.traceback),
            bool(failed) and one.attempt_no == failed[-1],
            trees.tree(one.result) if one.result is not None else None,
        )
        for one in reversed(attempts)
    ]


def _actions(desk: Desk, job: Any) -> list[tuple[str, str]]:
    offered = (("retry", "Run again" if job.state == "dead" else "Run now"), ("cancel", "Cancel"))
    found = [(name, said) for name, said in offered if job.state in FITTING[name] and desk.may(ACTIONS[name])]
    if job.state == "dead" and desk.may("bulk_jobs"):
        found.append(("discard", "Discard"))
    return found


PAGES = (Page(path="jobs/{job_id}", name="job", show=show, act=act),)
