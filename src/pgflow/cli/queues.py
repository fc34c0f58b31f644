# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""Commands on queues and workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import ago, say, say_items, say_json, seconds, table

if TYPE_CHECKING:
    from pgflow.views import QueueLimits, QueueRow

queues = typer.Typer(help="List, pause, resume and limit queues.", invoke_without_command=True)

NO_WORKERS: Final = "no workers: start one with pgflow worker -A module:app"

Number = str | None

QueueName = Annotated[str, typer.Argument(metavar="QUEUE", help="The queue's name.", show_default=False)]


@queues.callback()
def default(
    context: typer.Context, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False
) -> None:
    """List, pause, resume and limit queues; without a word, list them."""
    if context.invoked_subcommand is None:
        listing(app, dsn, as_json)


@queues.command("list")
def listing(app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """List every queue that has settings, jobs or a live worker."""
    from pgflow.commands import load
    from pgflow.store.admin import look

    with load.opened(app, dsn) as house:
        found = house.pool.run(look.queues())
    if as_json:
        say_items(found)
        return
    rows = [
        (q.name, _depth(q), q.scheduled, q.running, seconds(q.oldest_wait), q.workers, _limits(q), _pause(q))
        for q in found
    ]
    columns = ("queue", "queued", "scheduled", "running", "oldest", "workers", "limits", "paused")
    table(columns, rows, empty="no queues yet")


@queues.command()
def pause(
    queue: QueueName,
    reason: Annotated[str | None, typer.Option(help="Why, for those who look.")] = None,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Stop a queue from being claimed; what runs goes on, and enqueues are taken."""
    from pgflow.commands import load
    from pgflow.store.admin import act

    with load.opened(app, dsn) as house:
        house.pool.run(act.pause(queue, reason))
    _tell(queue, paused=True, changed=True, as_json=as_json)


@queues.command()
def resume(queue: QueueName, app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """Let a queue be claimed again."""
    from pgflow.commands import load
    from pgflow.store.admin import act

    with load.opened(app, dsn) as house:
        changed = house.pool.run(act.resume(queue))
    _tell(queue, paused=False, changed=changed, as_json=as_json)


@queues.command("set")
def set_limits(
    queue: QueueName,
    in_flight: Annotated[
        Number, typer.Option("--max-in-flight", metavar="N", help="At most so many in all hands; `none`: no limit.")
    ] = None,
    per_minute: Annotated[
        Number,
        typer.Option("--max-per-minute", metavar="N", help="At most so many attempts a minute; `none`: no limit."),
    ] = None,
    throttle: Annotated[
        Number, typer.Option("--throttle-ms", metavar="N", help="How long it rests once held back; `none`: a second.")
    ] = None,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """Limit a queue, over all workers; what is not named stays as it is."""
    from pgflow.commands import load
    from pgflow.errors import UsageError
    from pgflow.store.admin import act

    words = {"max_in_flight": in_flight, "max_attempts_per_minute": per_minute, "throttle_delay_ms": throttle}
    given = {name: _number(word) for name, word in words.items() if word is not None}
    if not given:
        msg = "nothing to set: give --max-in-flight, --max-per-minute or --throttle-ms a number, or none"
        raise UsageError(msg)
    with load.opened(app, dsn) as house:
        found = house.pool.run(act.set_limits(queue, **given))
    if as_json:
        say_json(found)
    else:
        say(f"{queue}: {_limits(found) or 'no limits'}")


def workers(app: shared.App = None, dsn: shared.Dsn = None, as_json: shared.Json = False) -> None:
    """List the workers, and how long ago each gave a sign of life."""
    from pgflow.commands import load
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


def _number(word: str) -> int | None:
    from pgflow.errors import UsageError

    if word.lower() == "none":
        return None
    try:
        return int(word)
    except ValueError:
        msg = f"{word!r} is no limit: use a whole number, or none"
        raise UsageError(msg) from None


def _limits(queue: QueueRow | QueueLimits) -> str:
    said = (
        (queue.max_in_flight, "{} in flight"),
        (queue.max_attempts_per_minute, "{} a minute"),
        (queue.throttle_delay_ms, "rests {} ms"),
    )
    return ", ".join(words.format(value) for value, words in said if value is not None)


def _pause(queue: QueueRow) -> str:
    return f"{ago(queue.paused_at)}: {queue.paused_reason or 'no reason given'}" if queue.paused else ""
