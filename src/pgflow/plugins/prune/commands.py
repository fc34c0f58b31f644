# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow prune`: one round now."""

from __future__ import annotations

import os
import socket
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pgflow import PgflowError
from pgflow.commands import App, Dsn, Json, say, say_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.plugins.prune.rounds import Report


def prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")] = False,
    app: App = None,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Archive and drop old buckets and forget old records now, as a worker does each minute."""
    from pgflow.commands import opened
    from pgflow.plugins.prune.rounds import rehearse, tidy

    with opened(app, dsn) as house:
        ages = _ages(house)
        if dry_run:
            report = rehearse(_maintenance(house, _me()), ages)
        else:
            with _turn(house, _me()):
                report = tidy(_maintenance(house, _me()), ages)
    if as_json:
        say_json({"dry_run": dry_run, **asdict(report)})
    else:
        _tell(report, dry_run=dry_run)


def _ages(house: Any) -> Any:
    plugin = house.hooks.plugins.named("prune")
    if plugin is None:
        msg = "the plugin prune is switched off: take it out of PGFLOW_DISABLED_PLUGINS"
        raise PgflowError(msg)
    return plugin.ages


def _me() -> str:
    return f"pgflow-prune-{socket.gethostname()}-{os.getpid()}"


def _maintenance(house: Any, me: str) -> Any:
    from pgflow import WorkerInfo
    from pgflow.admin import Maintenance

    return Maintenance(house, WorkerInfo(me, socket.gethostname(), os.getpid(), "asyncio", (), ()), house.db)


@contextmanager
def _turn(house: Any, me: str) -> Iterator[None]:
    from pgflow.admin import turn, whose_turn

    with turn(house.db, me, rest=house.settings.maintenance_interval_secs) as is_mine:
        if not is_mine:
            worker, seconds = whose_turn(house.db) or ("another worker", 0.0)
            until = f"its turn is over in {max(seconds, 1):.0f} s at the latest"
            msg = f"{worker} is at maintenance: try again soon; {until}"
            raise PgflowError(msg)
        yield


def _tell(report: Report, *, dry_run: bool) -> None:
    say(f"would go: {report}" if dry_run else f"gone: {report}")
    for name in report.busy:
        say(f"bucket {name} is busy: the next round takes it out")
    for name in report.needed:
        say(f"bucket {name} stays: too many of its jobs have yet to end, or are open dead letters")
