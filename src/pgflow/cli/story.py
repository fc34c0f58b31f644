# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow job` and `pgflow explain`: what happened to one job, and why it is where it is."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pgflow.codes import suggested_action
from pgflow.commands import options as shared
from pgflow.commands.output import ago, one_line, say, say_json, seconds, short
from pgflow.model import OutcomeKind
from pgflow.redact import redacted_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.app import App
    from pgflow.model import Attempt, JobRow
    from pgflow.views import Timeline

ARGUMENTS_SHOWN: Final = 1_000


def job(job_id: shared.JobId, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """Show one job's timeline: what was asked, every run, and what happened in between."""
    from pgflow.commands import load

    with load.opened(app, dsn) as house:
        told = read(house, job_id)
    if as_json:
        say_json(as_document(told))
    else:
        say(redacted_text("\n".join(as_text(told))))


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


def read(app: App, job_id: str) -> Timeline:
    """Read all that is on record about a job, its secret arguments masked. Raises `JobNotFoundError`."""
    from pgflow.store.admin.timeline import timeline
    from pgflow.task.showing import shown_call

    told = app.pool.together(lambda run: timeline(run, job_id))
    args, kwargs = shown_call(app.tasks, told.job.task, told.job.args, told.job.kwargs)
    return replace(told, job=replace(told.job, args=args, kwargs=kwargs))


def as_document(told: Timeline) -> dict[str, Any]:
    """Give a timeline in the shape of the HTTP API."""
    row = told.job
    return {
        "job_id": row.id, "status": row.state, "queue": row.queue, "job_type": row.task, "run_at": row.run_at,
        "next_run_at": row.next_run_at, "last_worker_id": row.worker_id, "last_error": row.error_message,
        "attempts": [_attempt_document(run) for run in _runs(told)],
        "events": [{"at": event.at, "event": event.event, **event.details} for event in told.events],
    }  # fmt: skip


def as_text(told: Timeline, *, traceback: bool = True) -> Iterator[str]:
    """Give a timeline's lines: the job, its runs, its events, and the last traceback."""
    row = told.job
    yield f"job {row.id}"
    for name, value in _header(row):
        if value:
            yield f"  {name:<10} {value}"
    runs = _runs(told)
    yield f"runs ({len(runs)})" if runs else "no runs yet"
    for run in runs:
        yield f"  {_run_line(run)}"
    yield "events"
    for event in told.events:
        yield f"  {_clock(event.at)} {event.event} {_details(event.details)}".rstrip()
    last = next((run.traceback for run in reversed(runs) if run.traceback), None)
    if last and traceback:
        yield "last traceback"
        yield from (f"  {one_line(line)}" for line in last.splitlines())


def _header(row: JobRow) -> Iterator[tuple[str, str]]:
    yield "task", row.task
    yield "queue", f"{row.queue}, priority {row.priority}" if row.priority else row.queue
    yield "state", f"{row.state} ({row.reason_code})" if row.reason_code else row.state
    yield "arguments", short(_call(row), ARGUMENTS_SHOWN)
    yield "enqueued", _moment(row.created_at)
    yield "next run", _moment(row.next_run_at)
    yield "ended", _moment(row.finished_at)
    yield "failures", f"{row.spent} of {row.max_attempts} allowed" if row.spent else ""
    yield "replay of", row.replay_of or ""
    yield "error", short(": ".join(part for part in (row.error_code, row.error_message) if part))
    yield "advice", suggested_action(row.error_code) or "" if row.state != "succeeded" else ""


def _call(row: JobRow) -> str:
    args = row.args if isinstance(row.args, list) else []
    kwargs = row.kwargs if isinstance(row.kwargs, dict) else {}
    parts = [json.dumps(value, ensure_ascii=False) for value in args]
    parts += [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in kwargs.items()]
    return f"({', '.join(parts)})"


def _runs(told: Timeline) -> list[Attempt]:
    # a release spent nothing and may never have started; it is among the events
    return [run for run in told.attempts if run.outcome is not OutcomeKind.RELEASED]


def _run_line(run: Attempt) -> str:
    took = seconds((run.finished_at - run.started_at).total_seconds()) if run.started_at else "not started"
    error = ": ".join(part for part in (run.error_code, run.error_message) if part)
    began = _clock(run.started_at or run.finished_at)
    return f"#{run.attempt} {began} {run.outcome:<9} {took:>9} {short(error, 120)}".rstrip()


def _attempt_document(run: Attempt) -> dict[str, Any]:
    took = (run.finished_at - run.started_at).total_seconds() if run.started_at else None
    return {
        "attempt_no": run.attempt, "status": run.outcome, "started_at": run.started_at, "finished_at": run.finished_at,
        "latency_ms": None if took is None else round(took * 1000, 3), "worker_id": run.worker_id,
        "error_code": run.error_code, "error_message": run.error_message,
        "suggested_action": suggested_action(run.error_code),
    }  # fmt: skip


def _details(details: Any) -> str:
    shown = {name: _clock(value) if isinstance(value, datetime) else value for name, value in details.items()}
    return " ".join(f"{name}={short(str(value), 80)}" for name, value in shown.items() if value is not None)


def _moment(moment: datetime | None) -> str:
    return f"{moment.isoformat(timespec='milliseconds')} ({ago(moment)})" if moment else ""


def _clock(moment: datetime) -> str:
    return moment.strftime("%H:%M:%S.%f")[:-3]
