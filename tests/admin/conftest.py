"""The admin served by a real server over a real database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from probes import TOKEN, Probes

from pgflow import App
from pgflow.plugins.admin import Admin
from pgflow.plugins.auth import Auth

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.plugins.admin.server import Server


@pytest.fixture
def probes() -> Probes:
    """The endpoints of the tests, and what their hooks heard."""
    return Probes()


@pytest.fixture
def make_app(migrated_url: str, probes: Probes) -> Iterator[Callable[..., App]]:
    """Make apps on the test's database; `admin` and `auth` are those plugins' settings."""
    made: list[App] = []

    def make(*, admin: dict[str, Any] | None = None, auth: dict[str, Any] | None = None, **settings: Any) -> App:
        plugins = [Admin(**(admin or {})), Auth(**(auth or {})), probes]
        quick = {"dataset_bucket": "none", "poll_interval_ms": 100, "shutdown_grace_seconds": 5}
        made.append(App("tests", dsn=migrated_url, plugins=plugins, **{**quick, **settings}))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    """An app whose admin asks for no token."""
    return make_app()


@pytest.fixture
def serve() -> Iterator[Callable[[App], Server]]:
    """Serve the admin of an app on a free port, and stop it behind the test."""
    from pgflow.plugins.admin.address import Address
    from pgflow.plugins.admin.asgi import build
    from pgflow.plugins.admin.server import Server

    started: list[Server] = []

    def start(app: App) -> Server:
        address = Address("127.0.0.1", 0)
        settings: Any = app.hooks.plugins.named("admin")
        server = Server(
            build(app, settings.settings, address=address),
            address,
            trusted_proxies=settings.settings.trusted_proxies,
        )
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture
def server(app: App, serve: Callable[[App], Server]) -> Server:
    """The admin of `app`, served."""
    return serve(app)


@pytest.fixture
def client(server: Server) -> Iterator[httpx.Client]:
    """A client of the admin that asks for no token."""
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


@pytest.fixture
def guarded(make_app: Callable[..., App], serve: Callable[[App], Server]) -> Iterator[httpx.Client]:
    """A client without a token of an admin that asks for `TOKEN`."""
    with httpx.Client(base_url=serve(make_app(api_token=TOKEN)).url, timeout=20) as client:
        yield client
