# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow top` shows alarms, queues, rates, workers and the last errors, live."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import say_json
from pgflow.errors import UsageError

if TYPE_CHECKING:
    from pgflow.cli.seeing import Looker

PATIENCE: Final[dict[str, Any]] = {"db_acquire_timeout_secs": 2.0, "db_answer_timeout_secs": 5.0}
"""Who looks would rather be told of an outage at once, and look again."""


def top(
    once: Annotated[bool, typer.Option("--once", help="Look once; so it does where there is no terminal.")] = False,
    interval: Annotated[float, typer.Option("--interval", "--every", min=0.1, help="Seconds between looks.")] = 1.0,
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many looks; else on a terminal at q or Ctrl-C.")
    ] = None,
    queue: shared.Queue = None,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document a look, each on a line.")] = False,
) -> None:
    """Show what goes on, live: alarms, queues, rates, workers, last errors, each with the command to act on it."""
    from pgflow.cli.seeing import Looker
    from pgflow.commands import load

    if once and count is not None:
        msg = "--once and --count speak of the same: give one of them"
        raise UsageError(msg)
    is_live = sys.stdout.isatty()
    most = 1 if once or (count is None and not is_live) else count
    if is_live and not as_json and most != 1:
        from pgflow.cli.live import show

        with load.opened(app, dsn, **PATIENCE) as house:
            show(Looker(lambda: house.reads, queue), interval, most)
    else:
        with load.opened(app, dsn) as house:
            _print(Looker(lambda: house.pool, queue), interval, most, as_json=as_json)


def _print(looker: Looker, interval: float, most: int | None, *, as_json: bool) -> None:
    from pgflow.cli import ink
    from pgflow.cli.board import board
    from pgflow.cli.seeing import Pace

    pace, shown = Pace(interval), 0
    while most is None or shown < most:
        seen = looker.look()
        if as_json:
            say_json(seen.document())
            sys.stdout.flush()  # whoever reads from a pipe wants it now
        else:
            ink.printed(board(seen, ink.width_of_terminal()))
        shown += 1
        if shown != most:
            time.sleep(pace.rest())
