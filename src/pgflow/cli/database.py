# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""Commands on the database itself: migrate, reset, doctor, and the embedded server's start and stop."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import unquote

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import say, say_json, table
from pgflow.errors import DatabaseUnavailableError, UsageError

if TYPE_CHECKING:
    from pgflow.app import App
    from pgflow.views import Check

db = typer.Typer(help="Start, stop and enter the embedded PostgreSQL in .pgflow/postgres.", no_args_is_help=True)

PASSWORDS: Final = (
    re.compile(r"^[a-z]+://[^:@/]*(:([^@/]*))@"),
    re.compile(r"^(?![a-z]+://).*?\b(password\s*=\s*([^\s'\\]+))"),
)


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 where something is missing.")
    ] = False,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Bring the database's schema up to this version; run again, it does nothing."""
    from pgflow.commands import load
    from pgflow.store import buckets
    from pgflow.store import migrate as schema

    with load.opened(app, dsn, migrate_on_startup=False) as house:
        missing = schema.pending(house.pool, house.migrations)
        applied = [] if check else schema.migrate(house.pool, house.migrations)
        if not check:
            buckets.ensure(house.pool, house.settings.dataset_bucket)
    if as_json:
        names = [m.label for m in (missing if check else applied)]
        say_json({"missing" if check else "applied": names})
    else:
        for m in missing if check else applied:
            say(f"{'missing' if check else 'applied'} {m.label}")
        if not (missing if check else applied):
            say("the schema is up to date")
    if check and missing:
        raise typer.Exit(1)


def reset(yes: shared.Yes = False, app: shared.App = None, dsn: shared.Dsn = None) -> None:
    """Forget every job, decision, count and queue setting; the schema stays."""
    from pgflow.commands import load
    from pgflow.store.admin import act
    from pgflow.store.wire import shown_dsn

    with load.opened(app, dsn) as house:
        where = shown_dsn(house.pool.dsn)
        if not yes:
            msg = f"reset forgets every job in {where}: add --yes to do it"
            raise UsageError(msg)
        house.pool.run(act.reset())
    say(f"{where} holds no jobs now")


def doctor(
    audit: Annotated[
        bool,
        typer.Option(
            "--audit", help="Judge instead all that is on record: that no job was lost, or run or counted twice."
        ),
    ] = False,
    newest: Annotated[
        int | None,
        typer.Option(
            "--newest",
            metavar="N",
            min=1,
            help="With --audit: only the newest N jobs; else all.",
            rich_help_panel=shared.FILTERS,
        ),
    ] = None,
    most_seconds: Annotated[
        float,
        typer.Option(
            "--seconds",
            metavar="S",
            min=0.1,
            help="With --audit: how long each of its steps may take.",
            rich_help_panel=shared.FILTERS,
        ),
    ] = 60.0,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Check the database's health; exit code 1 where something is wrong, with the remedy."""
    from pgflow.commands import load

    with load.opened(app, dsn) as house:
        checks = _audited(house, newest, most_seconds) if audit else _examined(house)
    healthy = all(check.ok for check in checks)
    if as_json:
        say_json({"ok": healthy, "checks": checks})
    else:
        rows = [
            ("ok" if c.ok else "WRONG", c.name, f"{c.detail}; {c.remedy}" if c.remedy else c.detail) for c in checks
        ]
        table(("", "check", "finding"), rows, empty="nothing to check")
    if not healthy:
        raise typer.Exit(1)


def _examined(house: App) -> list[Check]:
    from pgflow.store.admin.doctor import examine
    from pgflow.views import Check

    of_plugins = [Check(c.name, c.ok, c.detail, c.remedy) for c in house.hooks.health(house)]
    return examine(house.pool, house.migrations) + of_plugins


def _audited(house: App, newest: int | None, seconds: float) -> list[Check]:
    from pgflow.store.admin.audit import Scope, checks

    settings = house.settings
    kept = min(settings.dead_letter_days, settings.prune_history_after_days + 1, 1.0) * 86_400
    scope = Scope(newest=newest, reap_seconds=settings.reap_interval_ms / 1000, kept_seconds=kept, seconds=seconds)
    return checks(house.pool, scope)


@db.command()
def start() -> None:
    """Start the embedded PostgreSQL, migrate it, and let it run until `pgflow db stop`; prints its URL."""
    from pgflow.app import App
    from pgflow.database import EMBEDDED_DIRECTORY
    from pgflow.store import embedded

    url = embedded.keep(EMBEDDED_DIRECTORY)
    house = App("pgflow", dsn=url, migrate_on_startup=True)
    _ = house.pool
    house.close()
    say(url)


@db.command()
def stop(
    force: Annotated[bool, typer.Option("--force", help="Stop it under those who still use it.")] = False,
) -> None:
    """Stop the embedded PostgreSQL; its data stays."""
    from pgflow.database import EMBEDDED_DIRECTORY
    from pgflow.store import embedded

    say("stopped" if embedded.stop(EMBEDDED_DIRECTORY, force=force) else "it was not running")


@db.command()
def url() -> None:
    """Print the URL of the embedded PostgreSQL; exit code 3 where it does not run."""
    from pgflow.database import EMBEDDED_DIRECTORY
    from pgflow.store import embedded

    found = embedded.status(EMBEDDED_DIRECTORY).url
    if found is None:
        msg = f"the embedded PostgreSQL in {EMBEDDED_DIRECTORY} does not run: start it with `pgflow db start`"
        raise DatabaseUnavailableError(msg)
    say(found)


@db.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def psql(context: typer.Context, app: shared.App = None, dsn: shared.Dsn = None) -> None:
    """Enter the database with psql, embedded or not; what follows `--` is handed on to psql."""
    from pgflow.commands import load

    with load.opened(app, dsn) as house:
        address, password = _without_password(house.pool.dsn)
        environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
        command = [_psql(), address, *context.args]
        code = subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - what the user asked for
    raise typer.Exit(code)


def _psql() -> str:
    from pgflow.store.embedded import EmbeddedError, find_binaries

    found = shutil.which("psql")
    if found is None:
        with contextlib.suppress(EmbeddedError):
            found = shutil.which("psql", path=find_binaries().bin)
    if found is None:
        msg = "no psql on PATH: install PostgreSQL's client, or give another one the URL of `pgflow db url`"
        raise UsageError(msg)
    return found


def _without_password(dsn: str) -> tuple[str, str | None]:
    # every user of the machine can read a command's arguments, so the password goes by the environment
    for pattern in PASSWORDS:
        match = pattern.search(dsn)
        if match:
            return dsn[: match.start(1)] + dsn[match.end(1) :], unquote(match[2]) if match[1].startswith(
                ":"
            ) else match[2]
    return dsn, None
