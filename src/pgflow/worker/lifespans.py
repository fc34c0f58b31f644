"""Plugins' lifespans: each in a task of its own, so that one that fails later takes nobody with it."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from pgflow.errors import PgflowError, PluginError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager

    from anyio.abc import TaskStatus

    from pgflow.hooks import Hooks, Role

logger = logging.getLogger("pgflow")

LEAVE_SECONDS: Final = 5.0


@asynccontextmanager
async def lifespans(hooks: Hooks, app: Any, role: Role) -> AsyncIterator[None]:
    """Enter every plugin's lifespan, and leave them in the opposite order behind the block.

    Raises `PluginError`, or the `PgflowError` a plugin raises, where one cannot be entered; what the block raises
    leaves as it is.
    """
    made = hooks.lifespans(app, role)
    if not made:
        yield
        return
    try:
        async with anyio.create_task_group() as group:
            lives = [_Life(hooks, name, manager) for name, manager in made]
            for life in lives:
                await group.start(life.live)
            try:
                yield
            finally:
                with anyio.CancelScope(shield=True):
                    for life in reversed(lives):
                        life.end.set()
                        await life.over.wait()
    except BaseExceptionGroup as errors:
        if len(errors.exceptions) > 1:
            raise
        raise errors.exceptions[0] from None


class _Life:
    def __init__(self, hooks: Hooks, name: str, manager: AbstractAsyncContextManager[object]) -> None:
        self._hooks = hooks
        self._name = name
        self._manager = manager
        self.end = anyio.Event()
        self.over = anyio.Event()

    async def live(self, *, task_status: TaskStatus[None]) -> None:
        entered = False
        try:
            # shielded: a worker that is cancelled leaves it in order all the same, but not for ever
            with anyio.CancelScope(shield=True) as scope:
                async with self._manager:
                    entered = True
                    task_status.started()
                    await self.end.wait()
                    scope.deadline = anyio.current_time() + LEAVE_SECONDS
            if scope.cancelled_caught:
                logger.warning("plugin %s: its lifespan did not end within %g s", self._name, LEAVE_SECONDS)
        except Exception as error:
            if not entered:
                raise _start_failed(self._name, error) from error
            self._hooks.report("pgflow_lifespan", self._name, error)
        finally:
            self.over.set()


def _start_failed(name: str, error: Exception) -> PgflowError:
    if isinstance(error, PgflowError):
        return error
    failed = f"plugin {name}: pgflow_lifespan failed: {type(error).__name__}: {error}"
    return PluginError(f"{failed}; mend it, or switch it off with --no-plugin {name}")
