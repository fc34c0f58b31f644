# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""Commands on queues and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from pgflow.cli import options as shared
from pgflow.cli.output import ago, say, say_items, say_json, seconds, table

if TYPE_CHECKING:
    from pgflow.views import QueueRow

queues = typer.Typer(help="List, pause and resume queues.", invoke_without_command=True)

NO_WORKERS: Final = "no workers: start one with pgflow worker -A module:app"

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.", show_default=False)]


@queues.callback()
def default(
    context: typer.Context, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False
) -> None:
    """List, pause and resume queues; without a word, list them."""
    if context.invoked_subcommand is None:
        listing(app, dsn, as_json)


@queues.command("list")
def listing(app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """List every queue that has settings, jobs or a live worker."""
    from pgflow.cli import load
    from pgflow.store.admin import look

    with load.opened(app, dsn) as house:
        found = house.pool.run(look.queues())
    if as_json:
        say_items(found)
        return
    rows = [(q.name, _depth(q), q.scheduled, q.running, seconds(q.oldest_wait), q.workers, _pause(q)) for q in found]
    table(("queue", "queued", "scheduled", "running", "oldest", "workers", "paused"), rows, empty="no queues yet")


@queues.command()
def pause(
    queue: QueueName,
    reason: Annotated[str | None, typer.Option(help="Why, for those who look.")] = None,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Stop a queue from being claimed; what runs goes on, and enqueues are taken."""
    from pgflow.cli import load
    from pgflow.store.admin import act

    with load.opened(app, dsn) as house:
        house.pool.run(act.pause(queue, reason))
    _tell(queue, paused=True, changed=True, as_json=as_json)


@queues.command()
def resume(queue: QueueName, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """Let a queue be claimed again."""
    from pgflow.cli import load
    from pgflow.store.admin import act

    with load.opened(app, dsn) as house:
        changed = house.pool.run(act.resume(queue))
    _tell(queue, paused=False, changed=changed, as_json=as_json)


def workers(app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """List the workers, and how long ago each gave a sign of life."""
    from pgflow.cli import load
    from pgflow.store.admin import look

    with load.opened(app, dsn) as house:
        found = house.pool.run(look.workers())
    if as_json:
        say_items(found)
        return
    rows = [
        (w.id, _life(w.alive, w.stopping), w.backend, ", ".join(w.queues), f"{w.running}/{w.slots}", ago(w.started_at),
         f"{seconds(w.beat_age)} ago")
        for w in found
    ]  # fmt: skip
    table(("worker", "state", "backend", "queues", "busy", "started", "seen"), rows, empty=NO_WORKERS)


def _tell(queue: str, *, paused: bool, changed: bool, as_json: bool) -> None:
    if as_json:
        say_json({"queue": queue, "paused": paused, "changed": changed})
    elif changed:
        say(f"{queue} is {'paused' if paused else 'resumed'}")
    else:
        say(f"{queue} was not paused")


def _life(alive: bool, stopping: bool) -> str:  # noqa: FBT001 - two words of one row
    return "silent" if not alive else "stopping" if stopping else "alive"


def _depth(queue: QueueRow) -> str:
    return f"about {queue.depth}" if queue.depth_is_estimate else str(queue.depth)


def _pause(queue: QueueRow) -> str:
    return f"{ago(queue.paused_at)}: {queue.paused_reason or 'no reason given'}" if queue.paused else ""
