"""The shop of `scenery`, its admin as an ASGI app, and a client that speaks to it without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
import scenery
from pages_client import Pages

from pgflow.plugins.admin.asgi import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow import App


@pytest.fixture
def shop(make_app: Callable[..., App]) -> App:
    """An app with the shop's tasks and no jobs, whose admin asks for no token."""
    app = make_app()
    scenery.declare(app)
    return app


@pytest.fixture
def filled(shop: App, db: Any) -> scenery.Scenery:
    """The shop on its bad day."""
    return scenery.build(shop, db)


@pytest.fixture
def pages_of() -> Iterator[Callable[..., Pages]]:
    """Make clients of an app's pages; `mount` is the prefix it is asked for under."""
    made: list[Pages] = []

    def make(app: App, *, client: tuple[str, int] = ("127.0.0.1", 1), headers: dict[str, str] | None = None) -> Pages:
        plugin: Any = app.hooks.plugins.named("admin")
        transport = httpx.ASGITransport(build(app, plugin.settings), client=client)
        made.append(Pages(transport, headers or {}))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def pages(shop: App, pages_of: Callable[..., Pages]) -> Pages:
    """The shop's pages."""
    return pages_of(shop)
