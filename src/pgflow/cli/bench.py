# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow bench`: measures pgflow on your own PostgreSQL, in databases of its own, and says what a job costs."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import say, table
from pgflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow.bench.running import Result
    from pgflow.bench.stage import Options


class Against(StrEnum):
    """What a scenario's rate is divided by."""

    FLOOR = "floor"


def bench(
    scenarios: Annotated[
        list[str] | None, typer.Argument(metavar="SCENARIO", help="Which, as --list names them; else drain.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=10, max=100_000_000, help="How many jobs; else each scenario's own number.")
    ] = None,
    backend: Annotated[shared.Backend, typer.Option(help="The event loop of async tasks.")] = shared.Backend.ASYNCIO,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Worker processes.")] = 1,
    seconds: Annotated[float | None, typer.Option(min=0.1, max=3_600, help="How long idle looks; else 20 s.")] = None,
    runs: Annotated[
        int, typer.Option(min=1, max=100, help="How often each is run, in turns; told are the medians.")
    ] = 1,
    against: Annotated[
        Against | None,
        typer.Option(help="Run `floor` in turns with them, and say the ratio: the same statements in a bare loop."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write every run's figures there; - is stdout.")
    ] = None,
    list_them: Annotated[bool, typer.Option("--list", help="List the scenarios, and run none.")] = False,
    dsn: shared.Dsn = None,
) -> None:
    """Measure pgflow on your PostgreSQL: what a job costs in time, CPU, WAL and memory.

    It works in databases of its own, made beside the configured one and dropped behind each run.

    Rates are the machine's. To compare, take CPU a job, WAL a job, and ratios within one run:

    pgflow bench drain --against floor --runs 5
    """
    from pgflow.bench import running

    if list_them:
        _list()
        return
    chosen = running.chosen(scenarios or (), against_floor=against is Against.FLOOR)
    _check(json_file)
    asked = _options(jobs, backend, processes, seconds)
    results, server = _measured(chosen, asked, runs, dsn)
    _tell(results, server, asked, json_file)


def _list() -> None:
    from pgflow.bench.scenarios import ALL

    rows = [(one.name, f"{one.jobs:,}" if one.jobs else "", one.about, ", ".join(sorted(one.heeds))) for one in ALL]
    table(("scenario", "jobs", "about", "heeds"), rows, empty="")


def _check(json_file: Path | None) -> None:
    # before an hour of runs, not behind it
    if json_file is not None and str(json_file) != "-" and not json_file.absolute().parent.is_dir():
        msg = f"--json {json_file}: there is no directory {json_file.parent}: make it, or name another"
        raise UsageError(msg)


def _options(jobs: int | None, backend: shared.Backend, processes: int, seconds: float | None) -> Options:
    from pgflow.bench.stage import Options

    return Options(jobs=jobs, backend=backend.value, processes=processes, seconds=seconds)


def _measured(chosen: Sequence[Any], asked: Options, runs: int, dsn: str | None) -> tuple[list[Result], dict[str, str]]:
    from pgflow.bench import report, running
    from pgflow.bench.ground import Ground
    from pgflow.errors import DatabaseUnavailableError
    from pgflow.settings import Settings

    settings = Settings.read(database_url=dsn)
    if settings.database_url is None and not settings.embedded:
        msg = "no database: set PGFLOW_DATABASE_URL, or let PGFLOW_EMBEDDED be 1"
        raise DatabaseUnavailableError(msg)
    if settings.database_url is None:
        sys.stderr.write("no PGFLOW_DATABASE_URL: measuring the embedded PostgreSQL\n")
    with _ended_by_sigterm(), Ground(settings.database_url) as ground:
        results = running.run_all(ground, chosen, asked, runs, _tell_run)
        with ground.bench(asked) as bench:
            return results, report.server_settings(bench.pool)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    # as by Ctrl-C, or its databases would stay
    import signal

    def end(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _tell_run(scenario: Any, number: int) -> None:
    sys.stderr.write(f"run {number}: {scenario.name}\n")


def _tell(results: list[Result], server: dict[str, str], asked: Options, json_file: Path | None) -> None:
    from pgflow.bench import report

    document = json.dumps(report.document(results, asdict(asked), server), indent=2)
    if str(json_file) == "-":
        say(document)
        return
    if json_file is not None:
        json_file.write_text(f"{document}\n", "utf-8")
    say("PostgreSQL " + ", ".join(f"{name} {value}" for name, value in sorted(server.items())))
    table(report.COLUMNS, [report.cells(result) for result in results], empty="")
    for result in results:
        if said := report.more(result.medians):
            say(f"{result.scenario.name}: {said}")
    for result in results:
        say(report.line(result))
