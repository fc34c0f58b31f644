# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""Commands on single jobs: enqueue, list, cancel, retry."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import age, one_line, say, say_items, say_json, short, table
from pgflow.errors import ArgumentError
from pgflow.model import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.app import App
    from pgflow.handle import Job
    from pgflow.model import JobRow
    from pgflow.store.admin import Run
    from pgflow.views import Change

WHEN = "When and how"


def enqueue(
    name: Annotated[str, typer.Argument(help="The task's name.", show_default=False)],
    args: Annotated[str, typer.Option(metavar="JSON", help="Positional arguments, a JSON array.")] = "[]",
    kwargs: Annotated[str, typer.Option(metavar="JSON", help="Keyword arguments, a JSON object.")] = "{}",
    queue: Annotated[
        str | None, typer.Option("--queue", "-q", metavar="NAME", help="The queue.", rich_help_panel=WHEN)
    ] = None,
    priority: Annotated[int | None, typer.Option(help="Higher runs earlier.", rich_help_panel=WHEN)] = None,
    delay: Annotated[float | None, typer.Option(help="Seconds until it may run.", rich_help_panel=WHEN)] = None,
    run_at: Annotated[
        str | None, typer.Option(metavar="TIME", help="When it may run, ISO 8601 with an offset.", rich_help_panel=WHEN)
    ] = None,
    max_attempts: Annotated[int | None, typer.Option(help="Failures until it is dead.", rich_help_panel=WHEN)] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds that one run may take.", rich_help_panel=WHEN)] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end; exit code 1 unless it succeeded.")] = False,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Enqueue a job for a task by its name; what is not said here is as the app declares it."""
    from pgflow.commands import load

    given = {
        "queue": queue, "priority": priority, "delay": delay, "run_at": _time("--run-at", run_at),
        "max_attempts": max_attempts, "timeout": timeout,
    }  # fmt: skip
    options: Any = {word: value for word, value in given.items() if value is not None}
    call = _json("--args", args, list), _json("--kwargs", kwargs, dict)
    with load.opened(app, dsn) as house:
        if wait:
            options["keep_result"] = True
        job = house.enqueue(name, *call, **options)
        if wait:
            _wait(job, as_json=as_json)
        elif as_json:
            say_json({"job_id": job.id})
        else:
            say(job.id)


def jobs(
    state: Annotated[
        State | None, typer.Option("--state", "-s", help="Only jobs in this state.", rich_help_panel=shared.FILTERS)
    ] = None,
    queue: shared.Queue = None,
    task: shared.TaskName = None,
    worker: Annotated[
        str | None, typer.Option(metavar="ID", help="Only jobs a worker has or had.", rich_help_panel=shared.FILTERS)
    ] = None,
    error_code: Annotated[
        str | None,
        typer.Option("--error", metavar="CODE", help="Only this error code.", rich_help_panel=shared.FILTERS),
    ] = None,
    before: Annotated[
        str | None, typer.Option(metavar="ID", help="Only jobs older than this one.", rich_help_panel=shared.FILTERS)
    ] = None,
    limit: shared.Limit = 20,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """List jobs, newest first."""
    from pgflow.commands import load
    from pgflow.store.admin import look
    from pgflow.views import JobFilter

    wanted = JobFilter(
        state=state,
        queue=queue,
        task=task,
        worker=worker,
        error_code=error_code,
        before=before,
        limit=limit,
        payloads=as_json,
    )
    with load.opened(app, dsn) as house:
        page = house.pool.together(lambda run: look.listing(run, wanted))
    if as_json:
        say_items([_shown(house, row) for row in page.items], next_cursor=page.next, complete=page.complete)
        return
    rows = [(row.id, row.state, row.queue, row.task, age(row.created_at)) for row in page.items]
    table(("id", "state", "queue", "task", "age"), rows, empty="no jobs")
    if page.next:
        say(f"older ones: --before {page.next}")


def _shown(house: App, row: JobRow) -> JobRow:
    from pgflow.task.showing import shown_call

    args, kwargs = shown_call(house.tasks, row.task, row.args, row.kwargs)
    return replace(row, args=args, kwargs=kwargs)


def cancel(ids: shared.JobIds, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """Cancel jobs: at once where they wait; where they run, their worker is asked to."""
    from pgflow.store.admin import act

    _change(lambda run: act.cancel_many(run, ids, by="pgflow cancel"), app, dsn, as_json=as_json)


def retry(ids: shared.JobIds, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """Run jobs now: dead ones once more, scheduled and retrying ones at once."""
    from pgflow.store.admin import act

    _change(lambda run: act.retry_many(run, ids), app, dsn, as_json=as_json)


def _change(act: Callable[[Run], list[Change]], app: str | None, dsn: str | None, *, as_json: bool) -> None:
    from pgflow.commands import load

    with load.opened(app, dsn) as house:
        changes = house.pool.together(act)
    if as_json:
        say_items(changes)
    else:
        rows = [
            (change.job_id, change.result, f"it is {change.state}" if change.result == "refused" else "")
            for change in changes
        ]
        table(("id", "result", ""), rows, empty="nothing to do")
    if not all(change.done for change in changes):
        raise typer.Exit(1)


def _wait(job: Job[Any], *, as_json: bool) -> None:
    from pgflow.cli.progress import progress

    if not as_json:
        say(job.id)
    with progress(f"waiting for {job.id}", None):
        result = job.wait()
    if as_json:
        say_json({"job_id": job.id, "state": "succeeded", "result": result})
    else:
        say(f"succeeded: {one_line(json.dumps(result, ensure_ascii=False))}")


def _json(option: str, text: str, kind: type[list[Any] | dict[str, Any]]) -> Any:
    try:
        value = json.loads(text)
    except ValueError as error:
        msg = f"{option} {short(text, 60)!r} is not JSON: {error}"
        raise ArgumentError(msg) from None
    if not isinstance(value, kind):
        shape = "an array, such as '[17]'" if kind is list else 'an object, such as \'{"to": "a@b.c"}\''
        msg = f"{option} {short(text, 60)!r} must be {shape}"
        raise ArgumentError(msg)
    return value


def _time(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        msg = f"{option} {text!r} must be a time with an offset, such as 2026-11-24T18:00:00+01:00"
        raise ArgumentError(msg)
    return moment
