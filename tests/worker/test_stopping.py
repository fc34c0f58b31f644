"""Stopping: nothing is lost or stuck, whatever runs, and it ends in time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import App
from workers import until

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


async def stop_while_running(app: App, db: Any, *, stops: int = 1) -> float:
    """Run a worker until its leases hold something, stop it, and give the seconds it took to end."""
    worker = app.worker()
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        await until(lambda: worker.started and worker.floor.running)
        began = time.monotonic()
        for _ in range(stops):
            worker.stop()
    return time.monotonic() - began


async def test_what_runs_may_finish_within_the_grace_time(app: App, db: Any) -> None:
    @app.task
    async def slow() -> None:
        await anyio.sleep(0.5)

    job = await slow.aenqueue()
    assert await stop_while_running(app, db) < 5
    assert (await job.arefresh()).state == "succeeded"


async def test_what_has_not_started_goes_back_unspent(make_app: Callable[..., App], db: Any) -> None:
    app = make_app(concurrency=1)

    @app.task
    async def slow() -> None:
        await anyio.sleep(0.3)

    await slow.aenqueue_many([((), {})] * 5)
    await stop_while_running(app, db)
    assert db.execute("select count(*), max(spent) from pgflow.ready").fetchone() == (4, 0)
    assert db.execute("select count(*) from pgflow.leases").fetchone() == (0,)


@pytest.mark.parametrize("executor", ["async", "thread"])
async def test_what_overruns_the_grace_time_is_handed_back_unspent(
    make_app: Callable[..., App], db: Any, executor: str
) -> None:
    app = make_app(shutdown_grace_seconds=0.2)
    let_go = threading.Event()

    @app.task(name="async")
    async def sleep() -> None:
        await anyio.sleep(60)

    @app.task(name="thread")
    def block() -> None:
        let_go.wait(60)

    job = await app.aenqueue(executor)
    took = await stop_while_running(app, db)
    let_go.set()
    row = await job.arefresh()
    assert took < 2.2
    assert (row.state, row.spent, row.error_code) == ("queued", 0, "SHUTDOWN")


async def test_a_second_stop_does_not_wait(make_app: Callable[..., App], db: Any) -> None:
    app = make_app(shutdown_grace_seconds=60)

    @app.task
    async def sleep() -> None:
        await anyio.sleep(60)

    job = await sleep.aenqueue()
    assert await stop_while_running(app, db, stops=2) < 3
    assert (await job.arefresh()).state == "queued"


async def test_a_stop_under_load_loses_nothing(app: App, db: Any) -> None:
    @app.task
    async def quick() -> None:
        await anyio.sleep(0.001)

    await quick.aenqueue_many([((), {})] * 3000)
    worker = app.worker()
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        await until(lambda: worker.started and worker.flusher.counts["succeeded"] > 200)
        worker.stop()
    states = dict(db.execute("select state, count(*) from pgflow.job_state group by 1").fetchall())
    assert states.keys() <= {"succeeded", "queued"}
    assert sum(states.values()) == 3000
    assert db.execute("select count(*) from pgflow.leases").fetchone() == (0,)


async def test_a_worker_cancelled_from_outside_ends(app: App) -> None:
    @app.task
    async def sleep() -> None:
        await anyio.sleep(60)

    await sleep.aenqueue()
    worker = app.worker()
    with anyio.move_on_after(0.5) as scope:
        await worker.run()
    assert scope.cancelled_caught
