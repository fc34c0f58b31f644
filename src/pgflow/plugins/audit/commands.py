# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow audit`: what was changed through the admin."""

from __future__ import annotations

from typing import Annotated

import typer

from pgflow.commands import App, Dsn, Json, Limit, ago, say_items, short, table


def audit(
    actor: Annotated[str | None, typer.Option(help="Only changes by this actor.", rich_help_panel="Filters")] = None,
    action: Annotated[
        str | None, typer.Option(help="Only this action, such as cancel_job.", rich_help_panel="Filters")
    ] = None,
    before: Annotated[
        int | None, typer.Option(metavar="ID", help="Only entries older than this one.", rich_help_panel="Filters")
    ] = None,
    limit: Limit = 20,
    app: App = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """List what was changed through the admin, by whom and with what result, newest first."""
    from pgflow.commands import opened
    from pgflow.plugins.audit.routes import page

    with opened(app, dsn) as house:
        found = page(house.reads, actor=actor, action=action, cursor=before, limit=limit)
    if as_json:
        say_items(found.items, next_cursor=found.next_cursor)
        return
    rows = [(e.id, ago(e.at), e.actor, e.action, short(e.resource), e.status) for e in found.items]
    table(("id", "when", "actor", "action", "resource", "status"), rows, empty="nothing was changed through the admin")
