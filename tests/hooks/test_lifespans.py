"""Lifespans around an admin: the same as around a worker, and out of the way of what happens within."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import App, hookimpl
from pgflow.admin import lifespans

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

pytestmark = pytest.mark.anyio


class Failing:
    """Has a background task that fails."""

    @hookimpl
    def pgflow_lifespan(self) -> Any:
        return self._lifespan()

    @asynccontextmanager
    async def _lifespan(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as group:
            group.start_soon(self._fail)
            yield

    async def _fail(self) -> None:
        raise RuntimeError("background task failed")


async def test_a_plugin_that_fails_beside_an_admin_is_reported_and_the_admin_goes_on(
    app_with: Callable[..., App],
) -> None:
    app = app_with(Failing(), disabled_plugins=("cron", "policies"))
    async with lifespans(app.hooks, app, "admin"):
        with anyio.fail_after(5):
            while not app.hooks.errors:
                await anyio.sleep(0.01)
    assert app.hooks.errors == {("failing", "pgflow_lifespan"): 1}


async def test_what_is_raised_within_leaves_as_it_is(app_with: Callable[..., App]) -> None:
    app = app_with(Failing())
    with pytest.raises(ZeroDivisionError):
        async with lifespans(app.hooks, app, "admin"):
            raise ZeroDivisionError
