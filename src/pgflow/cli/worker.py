# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow worker`: works jobs in this process, or in several under a supervisor."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from pgflow.cli.logs import Level, configure
from pgflow.commands import options as shared
from pgflow.errors import UsageError

if TYPE_CHECKING:
    from pgflow.app import App

CELERY: Final = "As Celery spells it"
HOW: Final = "How"
RELOAD_GRACE_SECONDS: Final = 5.0
POOL_WORDS: Final = {
    "prefork": "--processes N works in N processes; @app.task(executor='process') runs one task's jobs in processes",
    "processes": "--processes N works in N processes; @app.task(executor='process') runs one task's jobs in processes",
    "gevent": "async tasks run on --backend asyncio or trio, plain functions in threads",
    "eventlet": "async tasks run on --backend asyncio or trio, plain functions in threads",
    "solo": "-c 1 runs one job at a time",
}


def worker(
    app: shared.App = None,
    dsn: shared.Dsn = None,
    queues: Annotated[
        str | None,
        typer.Option("--queues", "-Q", metavar="A,B", help="The queues to work; else every queue the app declares."),
    ] = None,
    concurrency: Annotated[
        int | None,
        typer.Option("--concurrency", "-c", help="Jobs at once in a process; else 100 async and 2 x cores sync."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=256, help="Worker processes; one that dies is restarted.")] = 1,
    backend: Annotated[shared.Backend, typer.Option(help="The event loop of async tasks.")] = shared.Backend.ASYNCIO,
    burst: Annotated[bool, typer.Option("--burst", help="End when nothing is left to run.")] = False,
    grace: Annotated[
        float | None,
        typer.Option(help="Seconds that running jobs get to finish when the worker is stopped; else 25."),
    ] = None,
    admin: Annotated[
        str | None,
        typer.Option("--admin", metavar="HOST:PORT", help="Serve the admin too, or `off`; else PGFLOW_ADMIN_ADDR."),
    ] = None,
    reload: Annotated[bool, typer.Option("--reload/--no-reload", help="Restart when a .py file here changes.")] = False,
    level: Annotated[
        Level,
        typer.Option("--log-level", "-l", case_sensitive=False, metavar="LEVEL", help="debug, info, warning or error."),
    ] = Level.INFO,
    pool: Annotated[
        str | None,
        typer.Option("--pool", "-P", help="`threads`, in which plain functions run anyway.", rich_help_panel=CELERY),
    ] = None,
    under: Annotated[int | None, typer.Option(hidden=True, help="The supervisor's process id.")] = None,
) -> None:
    """Work jobs until stopped by SIGTERM or Ctrl-C; a second signal stops at once."""
    _check_pool(pool)
    configure(level)
    settings = {"queue": queues, "concurrency": concurrency, "shutdown_grace_seconds": grace, "admin_addr": admin}
    if processes > 1 or reload:
        raise typer.Exit(_supervise(app, dsn, settings, processes, reload=reload))
    _work(app, dsn, settings, backend, burst=burst, parent=under)


def _work(
    spec: str | None,
    dsn: str | None,
    settings: dict[str, Any],
    backend: shared.Backend,
    *,
    burst: bool,
    parent: int | None,
) -> None:
    from pgflow.cli import running
    from pgflow.cli.guard import Guard
    from pgflow.commands import load
    from pgflow.settings import Settings, default_worker_id

    settings["worker_id"] = Settings.read().worker_id or default_worker_id()
    # until the app's own settings are known, a signal ends the process at once: nothing is claimed yet
    with load.opened(spec, dsn, needs_tasks=True, **settings) as app:
        guard = Guard(app.settings.shutdown_grace_seconds, parent, app.settings.blocked_loop_seconds)
        made = app.worker(burst=burst)
        _say_start(app, backend)
        try:
            running.run_async(running.work, made, guard, backend=backend)
        except Exception as error:
            # what a job left behind must not keep the process from ending with its reason
            guard.ended(getattr(error, "exit_code", 1))
            raise
    guard.leave(1 if made.unstored else 0)


def _supervise(spec: str | None, dsn: str | None, settings: dict[str, Any], processes: int, *, reload: bool) -> int:
    from pgflow.cli.supervise import Supervisor, changes
    from pgflow.commands import load

    if reload:
        grace = settings["shutdown_grace_seconds"] or RELOAD_GRACE_SECONDS
        return Supervisor(_own_command(), processes, grace_seconds=grace, ticks=changes()).run()
    with load.opened(spec, dsn, needs_tasks=True, **settings) as app:
        grace, patience = app.settings.shutdown_grace_seconds, app.settings.claim_timeout_seconds
    return Supervisor(_own_command(), processes, grace_seconds=grace, patience_seconds=patience).run()


def _own_command() -> list[str]:
    # the last word of an option counts, so what made this process a supervisor is taken back behind it
    single = ("--processes", "1", "--no-reload", "--under", str(os.getpid()))
    return [sys.executable, "-m", "pgflow", *sys.argv[1:], *single]


def _check_pool(pool: str | None) -> None:
    if pool is None or pool == "threads":
        return
    remedy = POOL_WORDS.get(pool, "leave it out: plain functions run in threads, async ones on the event loop")
    msg = f"-P {pool} means nothing here: {remedy}"
    raise UsageError(msg)


def _say_start(app: App, backend: shared.Backend) -> None:
    from pgflow.cli.guard import logger
    from pgflow.store.wire import shown_dsn
    from pgflow.version import __version__

    settings = app.settings
    if not app.tasks:
        logger.warning("the app %s declares no tasks: import the modules that do where the app is made", app.name)
    logger.info(
        "pgflow %s worker %s: %s, queues %s, %d tasks, %s, database %s",
        __version__, settings.worker_id, backend.value, ", ".join(settings.queue or app.queues), len(app.tasks),
        _slots(app), shown_dsn(app.pool.dsn),
    )  # fmt: skip


def _slots(app: App) -> str:
    from pgflow.worker.floor import ASYNC_SLOTS

    cores, given = os.cpu_count() or 1, app.settings.concurrency
    kinds = {"async": ASYNC_SLOTS, "thread": 2 * cores, "process": cores}
    used = sorted({task.declared.executor for task in app.tasks.values()}) or ["async"]
    return "slots " + " + ".join(f"{given or kinds[kind]} {kind}" for kind in used)
