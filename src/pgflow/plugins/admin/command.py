"""`pgflow admin`: serves the admin in the foreground."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pgflow.commands import App, Dsn


def add(cli: Any) -> None:
    """Add the command to `pgflow`."""
    cli.command(rich_help_panel="Look around")(admin)


def admin(
    app: App = None,
    dsn: Dsn = None,
    addr: Annotated[
        str | None,
        typer.Option("--addr", metavar="HOST:PORT", help="Where to listen; else PGFLOW_ADMIN_ADDR, 127.0.0.1:3003."),
    ] = None,
) -> None:
    """Serve the HTTP API and the pages until stopped by SIGTERM or Ctrl-C."""
    import anyio  # noqa: PLC0415 - imports wait for the command to run

    from pgflow.commands import opened, say  # noqa: PLC0415
    from pgflow.plugins.admin.address import DEFAULT, Address  # noqa: PLC0415
    from pgflow.plugins.admin.serving import in_foreground  # noqa: PLC0415

    with opened(app, dsn, admin_addr=addr) as made:
        address = Address.of(made.settings.admin_addr) or DEFAULT
        anyio.run(in_foreground, made, address, say)
