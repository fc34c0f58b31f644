"""`pgflow webhooks`: list, add, remove and test subscriptions."""

from __future__ import annotations

from typing import Annotated

import typer

from pgflow.commands import App, Dsn, Json, opened, say, say_json, table

webhooks = typer.Typer(help="List, add, remove and test webhooks.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The webhook's name.", show_default=False)]


@webhooks.command("list")
def list_(app: App = None, dsn: Dsn = None, as_json: Json = False) -> None:
    """List who is told of what."""
    from pgflow_webhook.subscriptions import listing

    with opened(app, dsn) as house:
        found = house.db.run(listing())
    if as_json:
        say_json({"items": [s.shown() for s in found]})
        return
    rows = [(s.name, s.url, ",".join(s.events), s.queue or "", s.task or "", s.last_error or "") for s in found]
    table(("name", "url", "events", "queue", "task", "error"), rows, empty="no webhooks")


@webhooks.command()
def add(
    name: Name,
    url: Annotated[str, typer.Argument(help="Where to send.", show_default=False)],
    secret: Annotated[list[str] | None, typer.Option(help="A secret to sign with; else one is made and shown.")] = None,
    event: Annotated[
        list[str] | None, typer.Option(help="Only these ends: succeeded, dead, cancelled, expired.")
    ] = None,
    queue: Annotated[str | None, typer.Option(help="Only jobs of this queue.")] = None,
    task: Annotated[str | None, typer.Option(help="Only jobs of this task.")] = None,
    app: App = None,
    dsn: Dsn = None,
) -> None:
    """Store a webhook, in the place of one of its name."""
    from pgflow_webhook.signing import new_secret
    from pgflow_webhook.subscriptions import EVENTS, put

    secrets = secret or [new_secret()]
    with opened(app, dsn) as house:
        house.db.run(put(name, url, secrets=secrets, events=event or EVENTS, queue=queue, task=task))
    # told once and nowhere else, so not through what masks
    typer.echo(f"{name} is stored" + ("" if secret else f"; it signs with {secrets[0]}"))


@webhooks.command()
def remove(name: Name, app: App = None, dsn: Dsn = None) -> None:
    """Remove a webhook."""
    from pgflow_webhook.subscriptions import remove as removal

    with opened(app, dsn) as house:
        done = house.db.run(removal(name))
    say(f"{name} is removed" if done else f"there is no webhook {name}")
    raise typer.Exit(0 if done else 1)


@webhooks.command("test")
def send_test(name: Name, app: App = None, dsn: Dsn = None) -> None:
    """Enqueue a test delivery; a worker with this plugin sends it."""
    from pgflow import ArgumentError
    from pgflow_webhook.delivery import test_event
    from pgflow_webhook.subscriptions import named

    with opened(app, dsn) as house:
        if house.db.run(named(name)) is None:
            msg = f"there is no webhook {name}: `pgflow webhooks list` lists them"
            raise ArgumentError(msg)
        say(test_event(house, name))
