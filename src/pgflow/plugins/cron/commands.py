# ruff: noqa: PLC0415 - imports wait for the command to run
"""`pgflow schedules`: list, add, remove, pause, resume and run schedules."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pgflow.commands import App, Dsn, Json

if TYPE_CHECKING:
    from pgflow.plugins.cron.rows import ScheduleRow

schedules = typer.Typer(
    help="List schedules, add and remove dynamic ones, pause, resume and run any.", invoke_without_command=True
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="The schedule's name.", show_default=False)]
WHEN = "When"
LISTED = 10_000


@schedules.callback()
def default(context: typer.Context, app: App = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """List schedules, add and remove dynamic ones, pause, resume and run any; without a word, list them."""
    if context.invoked_subcommand is None:
        listing(app, dsn, as_json)


@schedules.command("list")
def listing(app: App = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """List every schedule with its next slot."""
    from pgflow.commands import ago, opened, say_items, table
    from pgflow.plugins.cron.schedules import Schedules
    from pgflow.plugins.cron.shown import masked

    with opened(app, dsn) as house:
        found = [masked(house, row) for row in Schedules(house).page(most=LISTED)]
    if as_json:
        say_items(found)
        return
    rows = [(s.name, s.task, _when(s), _next(s), ago(s.last_at), s.fired, s.missed, _trouble(s)) for s in found]
    empty = "no schedules yet: declare one with @app.task(schedule=…), or pgflow schedules add"
    table(("schedule", "task", "when", "next", "last", "fired", "missed", "message"), rows, empty=empty)


@schedules.command()
def add(
    name: Name,
    task: Annotated[str, typer.Argument(metavar="TASK", help="The task's name.", show_default=False)],
    cron: Annotated[
        str | None, typer.Option(metavar="EXPR", help='Such as "*/5 * * * *", or @daily.', rich_help_panel=WHEN)
    ] = None,
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="A period in seconds.", rich_help_panel=WHEN)
    ] = None,
    tz: Annotated[str, typer.Option(metavar="ZONE", help="The time zone of --cron.", rich_help_panel=WHEN)] = "UTC",
    jitter: Annotated[float, typer.Option(help="Seconds to put jobs off by, at most.", rich_help_panel=WHEN)] = 0,
    grace: Annotated[
        float | None, typer.Option(help="Seconds after which a late slot is skipped.", rich_help_panel=WHEN)
    ] = None,
    coalesce: Annotated[
        bool, typer.Option(help="Fire only the last of several late slots.", rich_help_panel=WHEN)
    ] = True,
    queue: Annotated[str | None, typer.Option("--queue", "-q", metavar="NAME", help="The queue.")] = None,
    args: Annotated[str, typer.Option(metavar="JSON", help="Positional arguments, a JSON array.")] = "[]",
    kwargs: Annotated[str, typer.Option(metavar="JSON", help="Keyword arguments, a JSON object.")] = "{}",
    app: App = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Store a dynamic schedule, in the place of one of its name; with -A, its arguments are checked."""
    from pgflow import ArgumentError
    from pgflow.commands import opened
    from pgflow.plugins.cron.schedules import Schedules
    from pgflow.plugins.cron.shown import masked
    from pgflow.plugins.cron.spec import MISFIRE_GRACE_SECONDS, Schedule

    if (cron is None) == (every is None):
        msg = "give --cron or --every, one of them"
        raise ArgumentError(msg)
    schedule = Schedule(
        expression=cron, seconds=every, tz=tz, jitter=jitter, coalesce=coalesce,
        misfire_grace=MISFIRE_GRACE_SECONDS if grace is None else grace,
        args=_json("--args", args), kwargs=_json("--kwargs", kwargs),
    )  # fmt: skip
    with opened(app, dsn) as house:
        row, is_new = Schedules(house).put(name, task, schedule, queue=queue)
        shown = masked(house, row)
    _tell(shown, f"{name} is {'added' if is_new else 'changed'}; next: {_next(row)}", as_json=as_json)


@schedules.command()
def remove(name: Name, app: App = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Remove a dynamic schedule; its jobs stay."""
    from pgflow.commands import opened, say, say_json
    from pgflow.plugins.cron.schedules import Schedules

    with opened(app, dsn) as house:
        Schedules(house).remove(name)
    if as_json:
        say_json({"name": name, "removed": True})
    else:
        say(f"{name} is removed")


@schedules.command()
def pause(
    name: Name,
    reason: Annotated[str | None, typer.Option(help="Why, for those who look.")] = None,
    app: App = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Stop a schedule from firing."""
    from pgflow.commands import opened
    from pgflow.plugins.cron.schedules import Schedules
    from pgflow.plugins.cron.shown import masked

    with opened(app, dsn) as house:
        row = Schedules(house).pause(name, reason)
        shown = masked(house, row)
    _tell(shown, f"{name} is paused", as_json=as_json)


@schedules.command()
def resume(name: Name, app: App = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Let a schedule fire again, from its next slot on."""
    from pgflow.commands import opened
    from pgflow.plugins.cron.schedules import Schedules
    from pgflow.plugins.cron.shown import masked

    with opened(app, dsn) as house:
        row = Schedules(house).resume(name)
        shown = masked(house, row)
    _tell(shown, f"{name} is resumed; next: {_next(row)}", as_json=as_json)


@schedules.command()
def run(name: Name, app: App = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """Make a schedule's job now, paused or not; its slots to come stay as they are."""
    from pgflow.commands import opened, say, say_json
    from pgflow.plugins.cron.schedules import Schedules

    with opened(app, dsn) as house:
        job_id = Schedules(house).run(name)
    if as_json:
        say_json({"job_id": job_id})
    else:
        say(job_id)


@schedules.command("next")
def following(
    name: Name,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=1_000, help="How many.")] = 5,
    app: App = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """List a schedule's next slots, in its time zone."""
    from pgflow.commands import opened, say, say_json
    from pgflow.plugins.cron.schedules import Schedules
    from pgflow.plugins.cron.timing import zone_of

    with opened(app, dsn) as house:
        row = Schedules(house).get(name, count=count)
    if as_json:
        say_json({"name": name, "upcoming": [slot.isoformat() for slot in row.upcoming]})
        return
    for slot in row.upcoming:
        say(slot.astimezone(zone_of(row.tz)).isoformat())


def _tell(row: ScheduleRow, text: str, *, as_json: bool) -> None:
    from pgflow.commands import as_dict, say, say_json

    if as_json:
        say_json(as_dict(row))
    else:
        say(text)


def _when(row: ScheduleRow) -> str:
    if row.seconds is not None:
        return f"every {row.seconds:g} s"
    return f"{row.cron}" if row.tz == "UTC" else f"{row.cron} {row.tz}"


def _next(row: ScheduleRow) -> str:
    from pgflow.commands import ago

    if row.paused:
        return "paused"
    return ago(row.next_at) if row.next_at else "never"


def _trouble(row: ScheduleRow) -> str:
    from pgflow.commands import short

    return short(row.last_error or (row.paused_reason if row.paused else ""), 60)


def _json(option: str, text: str) -> Any:
    from pgflow import ArgumentError

    try:
        return json.loads(text)
    except ValueError as error:
        msg = f"{option} is no JSON: {error}"
        raise ArgumentError(msg) from None
