"""Switching off any built-in plugin leaves the rest working."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from pgflow import PluginError, every
from pgflow.hooks import entry_point_plugins
from pgflow.testing import drain

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import App

BUILT_IN = [found.name for found in entry_point_plugins() if found.distribution == "pgflow"]


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_without_any_one_plugin_jobs_run_and_the_others_work(
    plugin_app: Callable[..., App], name: str, backend: Any
) -> None:
    app = plugin_app(disabled_plugins=(name,))

    @app.task(schedule=every(seconds=3600), max_payload_bytes=1_000, retry_for={KeyError: 1})
    async def greet(person: str = "world") -> None: ...

    greet.enqueue("Ada")
    assert drain(app, backend=backend).succeeded == 1
    states = {plugin.name: plugin.state for plugin in app.plugins}
    assert states.pop(name) == "off"
    assert set(states.values()) == {"on"}
    assert not app.hooks.errors


@pytest.mark.parametrize("name", BUILT_IN)
def test_without_any_one_plugin_the_admin_answers(plugin_app: Callable[..., App], name: str) -> None:
    app = plugin_app(disabled_plugins=(name,))
    if name == "admin":
        with pytest.raises(PluginError, match="no plugin makes the admin"):
            app.admin_asgi()
        return
    app.enqueue("somewhere.else")
    assert anyio.run(_statuses, app) == [200, 200, 200, 200]


async def _statuses(app: App) -> list[int]:
    transport = httpx.ASGITransport(app.admin_asgi(), client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return [(await client.get(path)).status_code for path in ("/health", "/jobs", "/queues", "/openapi.json")]


def test_without_all_of_them_jobs_run(plugin_app: Callable[..., App]) -> None:
    app = plugin_app(disabled_plugins=tuple(BUILT_IN))

    @app.task
    def greet() -> None: ...

    greet.enqueue()
    assert drain(app).succeeded == 1
