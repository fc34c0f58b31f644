"""Workers as the tests run them: beside the test, or until all is settled."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pgflow import App
    from pgflow.worker.worker import Worker


@asynccontextmanager
async def working(app: App, **options: Any) -> AsyncIterator[Worker]:
    """Run a worker beside the block, and stop it gently behind it."""
    worker = app.worker(**options)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        try:
            await until(lambda: worker.started)
            yield worker
        finally:
            worker.stop()


async def until(condition: Callable[[], Any], seconds: float = 15) -> Any:
    """Wait until a condition holds, and give what it gave."""
    with anyio.fail_after(seconds):
        while not (found := condition()):
            await anyio.sleep(0.01)
    return found


async def work(app: App, **options: Any) -> Any:
    """Work until all is settled; gives how attempts ended."""
    with anyio.fail_after(30):
        return await app.worker(burst=True, until_settled=True, **options).run()


async def until_final(job: Any) -> Any:
    """Wait for the end of a job, and give its row."""
    with anyio.fail_after(15):
        while not (row := await job.arefresh()).state.is_final:
            await anyio.sleep(0.02)
    return row
