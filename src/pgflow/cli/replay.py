# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow replay`: new jobs like old ones, by id or by the dead letters that match."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import say, say_json, table
from pgflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from pgflow.app import App
    from pgflow.views import DeadLetter

AT_ONCE: Final = 500


def replay(
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Jobs that have ended.", show_default=False)
    ] = None,
    dead: Annotated[bool, typer.Option("--dead", help="Every open dead letter that the filters let pass.")] = False,
    queue: shared.Queue = None,
    task: shared.TaskName = None,
    reason: shared.Reason = None,
    to: Annotated[
        str | None, typer.Option(metavar="QUEUE", help="Put the new jobs into this queue; with ids only.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would be replayed.")] = False,
    yes: shared.Yes = False,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Make a new job like each that has ended; the old ones stay on record."""
    from pgflow.commands import load

    _check(ids or [], dead=dead, filters=(queue, task, reason), to=to)
    with load.opened(app, dsn) as house:
        if not dead:
            pairs = {job_id: house.replay(job_id, queue=to).id for job_id in ids or [] if not dry_run}
            count = len(ids or [])
        else:
            letters = list(_open_letters(house, queue, task, reason))
            count = len(letters)
            if not (dry_run or yes or not count):
                _ask(count)
            pairs = {} if dry_run else _replay_all(house, [letter.job_id for letter in letters])
    _tell(pairs, count, dry_run=dry_run, as_json=as_json)


def _open_letters(app: App, queue: str | None, task: str | None, reason: str | None) -> Iterator[DeadLetter]:
    from pgflow.store.admin import look

    before: tuple[datetime, str] | None = None
    while True:
        page = app.pool.run(
            look.dead_letters(queue=queue, task=task, reason_code=reason, open_only=True, before=before, limit=AT_ONCE)
        )
        yield from page
        if len(page) < AT_ONCE:
            return
        before = page[-1].dead_at, page[-1].job_id


def _replay_all(app: App, job_ids: list[str]) -> dict[str, str]:
    from pgflow.cli.progress import progress

    pairs: dict[str, str] = {}
    with progress("replaying", len(job_ids)) as show:
        for first in range(0, len(job_ids), AT_ONCE):
            pairs |= app.door.replay_dead(job_ids[first : first + AT_ONCE])
            show(first + AT_ONCE)
    return pairs


def _check(ids: list[str], *, dead: bool, filters: tuple[str | None, ...], to: str | None) -> None:
    msg = ""
    if dead == bool(ids):
        msg = "say which: the ids of jobs, or --dead with --queue, --task and --reason"
    elif any(filters) and not dead:
        msg = "--queue, --task and --reason choose among dead letters: add --dead, or leave them out"
    elif to and dead:
        msg = "--to goes with ids, not with --dead"
    if msg:
        raise UsageError(msg)


def _ask(count: int) -> None:
    if not sys.stdin.isatty():
        msg = f"{count} dead letters would be replayed: add --yes to do it, or --dry-run to count only"
        raise UsageError(msg)
    typer.confirm(f"Replay {count} dead letters?", abort=True)


def _tell(pairs: dict[str, str], count: int, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        items = [{"new_job_id": new, "replay_of_job_id": old} for old, new in pairs.items()]
        say_json({"items": items, "matched": count, "dry_run": dry_run})
    elif dry_run:
        say(f"{count} would be replayed")
    else:
        table(("replayed", "as"), list(pairs.items()), empty="nothing to replay")
