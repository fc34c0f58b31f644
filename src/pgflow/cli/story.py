# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow job` and `pgflow explain`: what happened to one job, and why it is where it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pgflow.codes import suggested_action
from pgflow.commands import options as shared
from pgflow.commands.output import say, say_json
from pgflow.model import OutcomeKind
from pgflow.redact import redacted, redacted_text

if TYPE_CHECKING:
    from pgflow.app import App
    from pgflow.cli.sheet import Story
    from pgflow.model import Attempt
    from pgflow.views import Timeline


def job(job_id: shared.JobId, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """Show all of one job: why it is where it is, the line that failed, its life to scale, and what to do next."""
    from pgflow.commands import load

    with load.opened(app, dsn) as house:
        story = read(house, job_id)
    if as_json:
        say_json(as_document(story.told))
        return
    from pgflow.cli import ink, sheet

    ink.printed(sheet.lines(story, ink.width_of_terminal()))


def explain(job_id: shared.JobId, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """Say in a paragraph why a job is where it is, and what to do about it."""
    from pgflow.commands import load
    from pgflow.store.admin.explain import explain as find_out

    with load.opened(app, dsn) as house:
        found = house.pool.together(lambda run: find_out(run, job_id))
    if as_json:
        say_json(found)
    else:
        say(redacted_text(found.paragraph))


def read(app: App, job_id: str) -> Story:
    """Read all that is on record about a job, its secret arguments masked. Raises `JobNotFoundError`."""
    from pgflow.cli.sheet import Story
    from pgflow.store.admin.explain import explain as find_out
    from pgflow.store.admin.lineage import lineage
    from pgflow.store.admin.timeline import timeline
    from pgflow.task.showing import shown_call

    told, explained, family = app.pool.together(
        lambda run: (timeline(run, job_id), find_out(run, job_id), lineage(run, job_id))
    )
    row = told.job
    args, kwargs = shown_call(app.tasks, row.task, row.args, row.kwargs)
    task = app.tasks.get(row.task)
    sensitive = task.declared.sensitive if task is not None else ()
    masked = replace(row, args=args, kwargs=kwargs, headers=redacted(row.headers, sensitive))
    return Story(replace(told, job=masked), explained, family, runs_of(told))


def as_document(told: Timeline) -> dict[str, Any]:
    """Give a timeline in the shape of the HTTP API."""
    row = told.job
    return {
        "job_id": row.id, "status": row.state, "queue": row.queue, "job_type": row.task, "run_at": row.run_at,
        "next_run_at": row.next_run_at, "last_worker_id": row.worker_id, "last_error": row.error_message,
        "attempts": [_attempt_document(run) for run in runs_of(told)],
        "events": [{"at": event.at, "event": event.event, **event.details} for event in told.events],
    }  # fmt: skip


def runs_of(told: Timeline) -> list[Attempt]:
    """Give the runs of a job: a release spent nothing and may never have started, it is among the events."""
    return [run for run in told.attempts if run.outcome is not OutcomeKind.RELEASED]


def _attempt_document(run: Attempt) -> dict[str, Any]:
    took = (run.finished_at - run.started_at).total_seconds() if run.started_at else None
    return {
        "attempt_no": run.attempt, "status": run.outcome, "started_at": run.started_at, "finished_at": run.finished_at,
        "latency_ms": None if took is None else round(took * 1000, 3), "worker_id": run.worker_id,
        "error_code": run.error_code, "error_message": run.error_message,
        "suggested_action": suggested_action(run.error_code),
    }  # fmt: skip
