"""What a worker holds: how much it takes, how it hears that it lost it, and how it is woken."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from moves import lapse
from pgflow import App
from pgflow.store import jobs as sql
from workers import until, until_final, work, working

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


async def test_a_worker_takes_no_more_slow_jobs_than_it_has_slots(make_app: Callable[..., App], db: Any) -> None:
    app = make_app(concurrency=2)
    let_go = anyio.Event()

    @app.task
    async def slow() -> None:
        await let_go.wait()

    await slow.aenqueue_many([((), {})] * 10)
    async with working(app):
        await until(lambda: db.execute("select count(*) from pgflow.ready").fetchone() == (8,))
        await anyio.sleep(0.3)
        assert db.execute("select sum(cardinality(job_ids)) from pgflow.leases").fetchone() == (2,)
        let_go.set()


async def test_a_lease_that_is_taken_away_cancels_its_runs(make_app: Callable[..., App], db: Any) -> None:
    app = make_app(lease_seconds=1, reap_interval_ms=60_000)
    ended: list[str] = []

    @app.task
    async def slow() -> None:
        try:
            await anyio.sleep(60)
        finally:
            ended.append("cancelled")

    job = await slow.aenqueue()
    async with working(app):
        await until(lambda: db.execute("select 1 from pgflow.leases").fetchone())
        lapse(db)
        # the heartbeat may extend it once more before the reaper comes
        await until(lambda: lapse(db) or app.db.run(sql.reap()))
        await until(lambda: ended)
        assert (await job.arefresh()).attempt >= 2
    outcomes = db.execute("select outcome::text from pgflow.attempts order by attempt").fetchall()
    assert outcomes[0] == ("lost",)


@pytest.mark.parametrize("executor", ["async", "thread"])
async def test_cancelling_a_running_job_stops_it_and_records_it(make_app: Callable[..., App], executor: str) -> None:
    app = make_app(lease_seconds=1)

    @app.task(name="async", bind=True)
    async def wait_here(context: Any) -> None:
        await anyio.sleep(60)

    @app.task(name="thread", bind=True)
    def wait_there(context: Any) -> None:
        while not context.cancelled:
            time.sleep(0.01)

    job = await app.aenqueue(executor)
    async with working(app):
        while (await job.arefresh()).state != "running":
            await anyio.sleep(0.01)
        await anyio.to_thread.run_sync(app.cancel, job)
        row = await until_final(job)
    assert (row.state, row.error_code) == ("cancelled", "CANCELLED")


async def test_a_commit_wakes_an_idle_worker_long_before_its_next_poll(make_app: Callable[..., App]) -> None:
    app = make_app(poll_interval_ms=60_000)

    @app.task
    async def quick() -> None:
        await anyio.sleep(0)

    async with working(app):
        await until_final(await quick.aenqueue())
        for _ in range(3):
            began = time.monotonic()
            await until_final(await quick.aenqueue())
            assert time.monotonic() - began < 10


async def test_polling_finds_what_no_bell_announced(app: App, db: Any) -> None:
    @app.task
    async def quick() -> None:
        await anyio.sleep(0)

    async with working(app):
        await until_final(await quick.aenqueue())
        cut(db, "query like 'listen%'")
        await until_final(await quick.aenqueue())


async def test_a_bell_that_never_rests_does_not_put_the_poll_off(app: App, pool: Any) -> None:
    @app.task
    async def quick() -> None:
        await anyio.sleep(0)

    async with working(app) as worker, anyio.create_task_group() as group:
        group.start_soon(ring_for_ever, worker)
        # promised to poll, so that the enqueue leaves NOTIFY out
        pool.run(sql.promise(worker.heartbeat.worker_id, 600))
        assert (await until_final(await quick.aenqueue())).state == "succeeded"
        group.cancel_scope.cancel()


async def ring_for_ever(worker: Any) -> None:
    """Ring for room made, as jobs do that end."""
    while True:
        worker.floor.lanes["async"].room_made()
        await anyio.sleep(0.005)


async def test_a_worker_works_on_after_all_its_connections_are_cut(app: App, db: Any) -> None:
    @app.task
    async def quick(n: int) -> None:
        await anyio.sleep(0.01)

    async with working(app):
        jobs = await quick.aenqueue_many([((n,), {}) for n in range(200)])
        for _ in range(5):
            cut(db, "pid <> pg_backend_pid()")
            await anyio.sleep(0.1)
        for job in jobs:
            assert (await until_final(job)).state == "succeeded"


async def test_suspects_run_one_at_a_time(app: App, db: Any) -> None:
    running, most = 0, 0

    @app.task
    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.sleep(0.005)
        running -= 1

    await count.aenqueue_many([((), {})] * 8)
    db.execute("update pgflow.ready set suspect = true, alone = true")
    counts = await work(app)
    assert counts["succeeded"] == 8
    assert most == 1


async def test_queues_take_turns_and_a_busy_one_does_not_starve_another(make_app: Callable[..., App]) -> None:
    app = make_app(concurrency=2, dequeue_batch_size=2)
    order: list[str] = []

    @app.task(queue="a")
    async def first() -> None:
        order.append("a")

    @app.task(queue="b")
    async def second() -> None:
        order.append("b")

    await first.aenqueue_many([((), {})] * 40)
    await second.aenqueue_many([((), {})] * 4)
    await work(app, queues=["a", "b"])
    assert order.index("b") < 20


async def test_a_worker_shows_itself_while_it_works_and_leaves_when_it_stops(app: App, db: Any) -> None:
    async with working(app, queues=["a", "b"]):
        queues, backend = await until(lambda: db.execute("select queues, backend from pgflow.workers").fetchone())
        assert queues == ["a", "b"]
        assert backend in ("asyncio", "trio")
    assert db.execute("select count(*) from pgflow.workers").fetchone() == (0,)


async def test_a_delayed_job_runs_when_it_is_due(app: App) -> None:
    @app.task(keep_result=True)
    async def quick() -> float:
        return time.time()

    job = await quick.options(delay=0.5).aenqueue()
    asked = time.time()
    await work(app)
    assert 0.4 < await job.await_result(1) - asked < 5


def cut(db: Any, which: str) -> None:
    """Cut connections to the test's database."""
    here = "datname = current_database()"
    db.execute(f"select pg_terminate_backend(pid) from pg_stat_activity where {here} and {which}")
