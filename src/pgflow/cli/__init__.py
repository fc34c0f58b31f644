"""The command line: every command under its name, and what they share: one-line errors and exit codes."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from functools import cache
from typing import Annotated, Any, Final

import typer

from pgflow.cli import bench, database, dead, demo, jobs, plugins, queues, replay, story, top, watch, worker
from pgflow.cli.logs import Level, configure
from pgflow.commands import options
from pgflow.errors import PgflowError
from pgflow.hooks import Hooks, Plugins
from pgflow.redact import redacted_text
from pgflow.version import __version__

__all__ = ["main", "make", "run"]


WORK = "Work"
JOBS = "Jobs"
LOOK = "Look around"
DATABASE = "Database"
TRY = "Try it"
INTERRUPTED = 130
DISABLED = "PGFLOW_DISABLED_PLUGINS"

COMMANDS: Final = {
    WORK: (worker.worker,),
    JOBS: (jobs.enqueue, jobs.jobs, story.job, story.explain, jobs.cancel, jobs.retry, replay.replay),
    LOOK: (dead.dlq, queues.workers, dead.decisions, watch.watch, top.top, plugins.plugins),
    DATABASE: (database.migrate, database.doctor, database.reset),
    TRY: (demo.demo, watch.seed, bench.bench),
}


@cache
def make(disabled: tuple[str, ...] = ()) -> typer.Typer:
    """Make the command line: pgflow's own commands, and those of the installed plugins that are not `disabled`."""
    app = typer.Typer(
        name="pgflow",
        help="Background jobs for Python on the PostgreSQL you already have, with no broker.",
        epilog="Exit codes: 0 done, 1 the work failed, 2 bad usage or settings, 3 the database cannot be used.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"]},
    )
    app.callback()(everywhere)
    for panel, commands in COMMANDS.items():
        for command in commands:
            app.command(rich_help_panel=panel)(command)
    app.add_typer(queues.queues, name="queues", rich_help_panel=LOOK)
    app.add_typer(database.db, name="db", rich_help_panel=DATABASE)
    Hooks(Plugins((), disabled, ())).cli(app)
    return app


def _say_version(asked: bool) -> None:  # noqa: FBT001 - typer's shape of a callback
    if asked:
        typer.echo(f"pgflow {__version__}")
        raise typer.Exit


def everywhere(
    app: options.App = None,  # noqa: A002,RUF100 - the option's word
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks; anywhere on the line.")] = False,  # noqa: ARG001 - read by main
    version: Annotated[  # noqa: ARG001 - its callback answers
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Print the version.")
    ] = False,
    no_plugin: Annotated[  # noqa: ARG001 - read by main
        list[str] | None,
        typer.Option("--no-plugin", metavar="NAME", help="Switch a plugin off; anywhere on the line, and repeatable."),
    ] = None,
) -> None:
    """Background jobs for Python on the PostgreSQL you already have, with no broker."""
    configure(Level.WARNING)
    if app is not None:
        os.environ["PGFLOW_APP"] = app


def main() -> None:
    """Run the command line and exit."""
    words = _without_plugins(sys.argv[1:])
    debug = "--debug" in words
    sys.exit(run([word for word in words if word != "--debug"], debug=debug))


def _without_plugins(words: list[str]) -> list[str]:
    # as a setting, it reaches the app wherever that is made, and the processes of a supervisor
    left, off = [], [name for name in os.environ.get(DISABLED, "").split(",") if name.strip()]
    rest = iter(words)
    for word in rest:
        if word == "--no-plugin":
            off.append(next(rest, ""))
        elif word.startswith("--no-plugin="):
            off.append(word.partition("=")[2])
        else:
            left.append(word)
    if off:
        os.environ[DISABLED] = ",".join(off)
    return left


def run(words: list[str], *, debug: bool = False) -> int:
    """Run one command; gives its exit code. An error is one line on stderr, with `debug` behind its traceback."""
    try:
        disabled = tuple(name.strip() for name in os.environ.get(DISABLED, "").split(","))
        code: Any = typer.main.get_command(make(disabled)).main(words, prog_name="pgflow", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader has gone, as `pgflow jobs | head` does; nothing may be written at the end either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place where an error can be told
        if debug:
            traceback.print_exception(error)
        return _tell(error)
    return code if isinstance(code, int) else 0


def _tell(error: Exception) -> int:
    message, code = str(error), 1
    if isinstance(error, PgflowError):
        code = error.exit_code
    elif hasattr(error, "format_message"):
        # typer's own, whose class is another in each of its versions
        context = getattr(error, "ctx", None)
        message = f"{error.format_message()} See {context.command_path if context else 'pgflow'} --help."
        code = getattr(error, "exit_code", 2)
    else:
        message = f"{type(error).__name__}: {message}; run again with --debug for where, and report it"
    logging.shutdown()
    sys.stderr.write(f"error: {redacted_text(' '.join(message.split()))}\n")
    return code
