"""The options that several commands share, each with one spelling and one help text."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

WHERE = "Where"
FILTERS = "Filters"


class Backend(StrEnum):
    """The event loops a worker runs on."""

    ASYNCIO = "asyncio"
    TRIO = "trio"


App = Annotated[
    str | None,
    typer.Option("--app", "-A", metavar="MODULE:APP", help="The app to load; else PGFLOW_APP.", rich_help_panel=WHERE),
]
Dsn = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="URL",
        help="The database; else the app's own, else PGFLOW_DATABASE_URL, else the embedded PostgreSQL.",
        rich_help_panel=WHERE,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
Queue = Annotated[
    str | None, typer.Option("--queue", "-q", metavar="NAME", help="Only this queue.", rich_help_panel=FILTERS)
]
TaskName = Annotated[
    str | None, typer.Option("--task", "-t", metavar="NAME", help="Only this task.", rich_help_panel=FILTERS)
]
Reason = Annotated[
    str | None, typer.Option("--reason", metavar="CODE", help="Only this reason code.", rich_help_panel=FILTERS)
]
Limit = Annotated[
    int, typer.Option("--limit", "-n", min=1, max=10_000, help="The most rows to list.", rich_help_panel=FILTERS)
]
JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id.", show_default=False)]
JobIds = Annotated[list[str], typer.Argument(metavar="ID...", help="The jobs' ids.", show_default=False)]
