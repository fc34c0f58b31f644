# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""Commands on what did not go well: dead letters, and decisions against jobs."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import age, ago, say_items, short, table


class Kind(StrEnum):
    """Who decides: a guardrail about an enqueue, or a policy about a claim."""

    INGEST = "ingest"
    POLICY = "policy"


def decisions(
    kind: Annotated[
        Kind | None, typer.Option(help="Only decisions of this kind.", rich_help_panel=shared.FILTERS)
    ] = None,
    queue: shared.Queue = None,
    reason: shared.Reason = None,
    before: Annotated[
        int | None,
        typer.Option(metavar="ID", help="Only decisions older than this one.", rich_help_panel=shared.FILTERS),
    ] = None,
    limit: shared.Limit = 20,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """List what guardrails refused and policies put off, newest first."""
    from pgflow.commands import load
    from pgflow.store.admin import look

    statement = look.decisions(kind=kind, queue=queue, reason_code=reason, before=before, limit=limit)
    with load.opened(app, dsn) as house:
        found = house.pool.run(statement)
    if as_json:
        say_items(found, next_cursor=str(found[-1].id) if len(found) == limit else None)
        return
    rows = [(d.id, ago(d.created_at), d.kind, d.decision, d.reason_code, d.queue, d.task or d.job_id) for d in found]
    table(("id", "when", "kind", "decision", "reason", "queue", "task"), rows, empty="no decisions")


def dlq(
    queue: shared.Queue = None,
    task: shared.TaskName = None,
    reason: shared.Reason = None,
    text: Annotated[
        str | None, typer.Option(help="Only errors that contain this.", rich_help_panel=shared.FILTERS)
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Also those replayed or discarded.", rich_help_panel=shared.FILTERS)
    ] = False,
    groups: Annotated[bool, typer.Option("--groups", help="Count them by reason, task and error instead.")] = False,
    limit: shared.Limit = 20,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """List dead letters, the jobs that gave up, newest first."""
    from pgflow.commands import load
    from pgflow.store.admin import look

    with load.opened(app, dsn) as house:
        if groups:
            grouped = house.pool.run(look.dead_groups(queue=queue, limit=limit))
        else:
            found = house.pool.run(
                look.dead_letters(
                    queue=queue, task=task, reason_code=reason, text=text, open_only=not everything, limit=limit
                )
            )
    if as_json:
        say_items(grouped if groups else found)
    elif groups:
        lines = [
            (g.count, g.reason_code, g.task, g.error_code, ago(g.last_at), short(g.error_message)) for g in grouped
        ]
        table(("count", "reason", "task", "error", "last", "message"), lines, empty="no dead letters")
    else:
        rows = [
            (d.job_id, age(d.dead_at), d.task, d.error_code or d.reason_code, short(d.error_message)) for d in found
        ]
        table(("id", "age", "task", "error", "message"), rows, empty="no dead letters")
