"""Runs one worker in this process, on the event loop asked for, under a guard."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import anyio

from pgflow.classify import ungrouped
from pgflow.worker.bell import Bell
from pgflow.worker.own import loop_options, spare_what_stays

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from pgflow.cli.guard import Guard
    from pgflow.commands.options import Backend
    from pgflow.worker.worker import Worker


def run_async(work: Callable[..., Awaitable[Any]], *args: Any, backend: Backend) -> Any:
    """Run a coroutine function on a backend, with uvloop where it is installed; a lone error comes ungrouped."""
    try:
        return anyio.run(functools.partial(work, *args), backend=backend.value, backend_options=loop_options(backend))
    except BaseExceptionGroup as group:
        raise ungrouped(group) from group


async def work(worker: Worker, guard: Guard, beside: Callable[[], Coroutine[Any, Any, None]] | None = None) -> None:
    """Work until the worker ends by itself or a signal stops it; `beside` runs along and is cut off at the end."""
    worker.last_resort = guard.end_within
    async with anyio.create_task_group() as group:
        group.start_soon(guard.stop_when_told, worker, Bell())
        if beside is not None:
            group.start_soon(beside)
        spare_what_stays()
        await worker.run()
        guard.ended()
        group.cancel_scope.cancel()
