"""Serves the admin beside a worker, or alone in the foreground; never unguarded where others can reach it."""

from __future__ import annotations

import logging
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from pgflow import PluginError, SettingsError
from pgflow.admin import lifespans
from pgflow.plugins.admin.ahead import prepared
from pgflow.plugins.admin.asgi import build
from pgflow.plugins.admin.server import AddressInUseError, Server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pgflow.plugins.admin.address import Address
    from pgflow.plugins.admin.settings import AdminSettings

logger = logging.getLogger("pgflow.admin")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


def check_guarded(app: Any, address: Address) -> None:
    """Raise `SettingsError` where others than this machine could reach an admin that checks no token."""
    if _asks_for_tokens(app):
        return
    if app.settings.api_token is not None:
        msg = "PGFLOW_API_TOKEN is set, but no plugin checks it: switch the plugin auth on, or unset it"
        raise SettingsError(msg)
    if address.is_loopback:
        return
    msg = f"PGFLOW_ADMIN_ADDR: {address} can be reached from elsewhere: set PGFLOW_API_TOKEN, or use 127.0.0.1"
    raise SettingsError(msg)


@asynccontextmanager
async def beside_worker(app: Any, address: Address, settings: AdminSettings) -> AsyncIterator[None]:
    """Serve while a worker runs; where the port is taken, say so and let the worker go on."""
    server = Server(build(app, settings, address=address), address, trusted_proxies=settings.trusted_proxies)
    try:
        await anyio.to_thread.run_sync(server.start)
    except AddressInUseError as error:
        logger.warning("%s; the worker goes on without its admin", error)
        yield
        return
    logger.info("admin at %s", server.url)
    try:
        with prepared(app):
            yield
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(server.stop)


async def in_foreground(app: Any, address: Address, say: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, with the lifespans of other plugins around it.

    Raises `AddressInUseError`, or `SettingsError` where it may not be served there.
    """
    settings = _settings_of(app)
    check_guarded(app, address)
    # the embedded PostgreSQL starts here and not in the first request
    await anyio.to_thread.run_sync(lambda: app.db)
    with anyio.open_signal_receiver(*SIGNALS) as signals:
        async with lifespans(app.hooks, app, "admin"):
            server = Server(build(app, settings, address=address), address, trusted_proxies=settings.trusted_proxies)
            await anyio.to_thread.run_sync(server.start)
            try:
                say(f"pgflow admin at {server.url} (Ctrl-C stops it)")
                with prepared(app):
                    async for _ in signals:
                        break
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(server.stop)


def _asks_for_tokens(app: Any) -> bool:
    # a plugin that authenticates and may be without tokens says so; any other has means of its own
    plugins = app.hooks.plugins
    authenticating = [plugins.named(name) for name, _ in plugins.implementations("pgflow_authenticate")]
    return any(getattr(plugin, "has_tokens", True) for plugin in authenticating)


def _settings_of(app: Any) -> AdminSettings:
    plugin = app.hooks.plugins.named("admin")
    if plugin is None:
        msg = "the plugin admin is switched off or in quarantine: see `pgflow plugins`"
        raise PluginError(msg)
    settings: AdminSettings = plugin.settings
    return settings
