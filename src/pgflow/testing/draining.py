"""Works an app's queues until nothing is left, with a real worker on the real database."""

from __future__ import annotations

import sys
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

import anyio

from pgflow.classify import ungrouped
from pgflow.codes import ErrorCode
from pgflow.errors import PgflowError, WaitTimeoutError
from pgflow.store import settle

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.app import App
    from pgflow.store.settle import Unsettled
    from pgflow.worker.worker import Worker

LOOK_SECONDS: Final = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many runs ended how; a job that failed once and then succeeded counts as one of each."""

    succeeded: int = 0
    failed: int = 0
    dead: int = 0
    snoozed: int = 0
    cancelled: int = 0
    expired: int = 0
    released: int = 0
    lost: int = 0


def drain(
    app: App,
    *,
    queues: Sequence[str] | None = None,
    hurry: bool = True,
    later: bool = False,
    backend: Literal["asyncio", "trio"] = "asyncio",
    timeout: float = 30,
) -> Counts:
    """Work the app's queues, or these, until every job has ended; gives how many runs ended how.

    With `hurry`, retries and snoozes come at once instead of after their delay. Jobs enqueued for a later time
    are left where they are, unless `later` says to run them too. `timeout` is in seconds.
    Raises `WaitTimeoutError` naming what is left, and at once for a job whose task the app does not declare.
    """
    if _is_in_a_loop():
        msg = "drain() would block the event loop it is called in: await adrain(app) there"
        raise RuntimeError(msg)
    work = partial(adrain, app, queues=queues, hurry=hurry, later=later, timeout=timeout)
    return anyio.run(work, backend=backend)


async def adrain(
    app: App,
    *,
    queues: Sequence[str] | None = None,
    hurry: bool = True,
    later: bool = False,
    timeout: float = 30,  # noqa: ASYNC109 - the same word as drain's
) -> Counts:
    """Do what `drain` does, on the event loop at hand, asyncio's or trio's."""
    chosen = tuple(queues or app.queues)
    await app.door.apool()
    worker = app.worker(queues=chosen)
    left: list[Unsettled] = []
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            with anyio.move_on_after(timeout) as scope:
                left = await _until_settled(app, worker, chosen, hurry=hurry, later=later)
            worker.stop()
            if scope.cancelled_caught or left:
                left = left or await app.pool.arun(settle.unsettled(chosen, later=later))
                worker.stop()
    except BaseExceptionGroup as errors:
        raise ungrouped(errors) from None
    if left:
        raise _complaint(app, left, timeout)
    return Counts(**{f.name: worker.flusher.counts[f.name] for f in fields(Counts)})


async def _until_settled(
    app: App, worker: Worker, queues: tuple[str, ...], *, hurry: bool, later: bool
) -> list[Unsettled]:
    # gives the jobs that no wait will end, and nothing where all have ended
    while not worker.started:
        await anyio.sleep(LOOK_SECONDS)
    while True:
        left = await app.pool.arun(settle.unsettled(queues, later=later))
        strange = [job for job in left if job.error_code == ErrorCode.UNKNOWN_TASK and job.place == "scheduled"]
        if strange or not left:
            return strange
        if hurry or later:
            await app.pool.arun(settle.hurry(queues, retries=hurry, later=later))
        await anyio.sleep(LOOK_SECONDS)


def _complaint(app: App, left: list[Unsettled], seconds: float) -> PgflowError:
    if all(job.error_code == ErrorCode.UNKNOWN_TASK for job in left):
        tasks = ", ".join(sorted({str(job.task) for job in left}))
        remedy = "import the module that does, or leave its queue out with queues=…"
        return WaitTimeoutError(f"the app {app.name} declares no task {tasks}, so its jobs cannot end: {remedy}")
    lines = "\n  ".join(map(str, left))
    return WaitTimeoutError(f"not drained within {seconds:g} s; left (20 at most):\n  {lines}")


def _is_in_a_loop() -> bool:
    # without importing either library: one that is not loaded runs no loop
    asyncio, trio = sys.modules.get("asyncio"), sys.modules.get("trio")
    in_asyncio = asyncio is not None and asyncio._get_running_loop() is not None  # noqa: SLF001 - its public twin raises where there is none
    return in_asyncio or (trio is not None and trio.lowlevel.in_trio_run())
