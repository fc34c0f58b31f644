"""A worker that does nothing says so, and does not stay: health, patience, and what must not stop it."""

from __future__ import annotations

import errno
import logging
import os
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from pgflow import App, DatabaseUnavailableError, PgflowError, hookimpl
from pgflow.store import jobs as sql
from pgflow.store.admin import act
from pgflow.store.faults import Blame, blame
from pgflow.worker import floor, vigil
from pgflow.worker.pulse import Pulse
from workers import until, until_final, working

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio

LOCK = "begin; lock table pgflow.ready in access exclusive mode"


def down(app: App) -> list[str]:
    """What blocks, of the app's workers here."""
    return [check.name for check in app.worker_health() if not check.ok and check.blocks]


async def failure_of(worker: Any) -> Exception | None:
    """Run a worker to its end; gives what it raised."""
    with anyio.fail_after(20):
        try:
            await worker.run()
        except (PgflowError, LookupError) as error:
            return error
    return None


async def test_a_worker_that_cannot_claim_says_so_at_health_and_is_well_again_when_it_can(
    make_app: Callable[..., App], db: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_app(admin_addr="127.0.0.1:0")
    with caplog.at_level(logging.INFO, "pgflow"):
        async with working(app) as worker:
            at = re.findall(r"admin at (http://\S+)", caplog.text)[-1]
            worker.pulse.stale_seconds = 1.0
            async with httpx.AsyncClient(base_url=at) as client:
                assert (await client.get("health")).json() == {"status": "ok"}
                db.execute(LOCK)
                await until(lambda: "claims" in down(app))
                answer = await client.get("health")
                assert (answer.status_code, answer.json()["down"]) == (503, ["claims"])
                assert (await client.get("health/live")).status_code == 200
                db.execute("rollback")
                await until(lambda: not down(app))
                assert (await client.get("health")).status_code == 200
                worker.stop()
                await until(lambda: worker.ended or down(app) == ["stopping"])
    assert app.worker_health() == []


@pytest.mark.parametrize("kind", ["idle", "full", "paused"])
async def test_a_worker_that_need_not_claim_is_well(make_app: Callable[..., App], kind: str) -> None:
    app = make_app(concurrency=1, lease_seconds=1)
    let_go = anyio.Event()

    @app.task
    async def hold() -> None:
        await let_go.wait()

    if kind == "paused":
        app.db.run(act.pause("default", reason="for the test"))
    async with working(app) as worker:
        worker.pulse.stale_seconds = 1.5
        if kind == "full":
            await hold.aenqueue_many([((), {})] * 3)
            await until(lambda: worker.floor.running)
        end = time.monotonic() + 3
        while time.monotonic() < end:
            assert down(app) == []
            await anyio.sleep(0.05)
        let_go.set()


async def test_a_worker_that_cannot_claim_for_the_set_time_hands_back_and_leaves(
    make_app: Callable[..., App], db: Any
) -> None:
    app = make_app(claim_timeout_seconds=2)

    @app.task
    async def slow() -> None:
        await anyio.sleep(3)

    job = await slow.aenqueue()
    worker = app.worker()
    raised: list[BaseException] = []

    async def run() -> None:
        try:
            await worker.run()
        except DatabaseUnavailableError as error:
            raised.append(error)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await until(lambda: worker.started and worker.floor.running)
        await anyio.to_thread.run_sync(db.execute, LOCK)
        # a flush inserts into ready too, and passes once the worker has given up on claims
        await until(lambda: worker.stopping)
        db.execute("rollback")
    assert "could not claim jobs for" in str(raised[0])
    assert worker.unstored == 0
    assert (await job.arefresh()).state == "succeeded"


async def test_a_worker_with_no_patience_limit_waits_for_ever(make_app: Callable[..., App], db: Any) -> None:
    app = make_app(claim_timeout_seconds=0)
    async with working(app) as worker:
        worker.pulse.claimed_at = worker.pulse.beat_at = worker.pulse.round_at = time.monotonic() - 100_000
        await anyio.sleep(1)
        assert not worker.stopping


async def test_a_blocked_loop_is_told_and_the_lease_is_kept(
    make_app: Callable[..., App], caplog: pytest.LogCaptureFixture, db: Any
) -> None:
    app = make_app(lease_seconds=1)

    @app.task
    async def block() -> None:
        time.sleep(3.5)  # noqa: ASYNC251 - the subject

    async with working(app):
        job = await block.aenqueue()
        row = await until_final(job)
    assert (row.state, row.attempt) == ("succeeded", 1)
    told = [record.getMessage() for record in caplog.records if "held the event loop up" in record.getMessage()]
    assert 1 <= len(told) <= 3
    assert f"job {job.id} of task {block.name} has held the event loop up for 1" in told[0]
    assert "time.sleep(3.5)" in told[0]


async def test_a_loop_of_somebody_elses_process_lets_its_leases_go_and_is_not_ended(
    make_app: Callable[..., App], caplog: pytest.LogCaptureFixture, db: Any
) -> None:
    app = make_app(lease_seconds=1, blocked_loop_seconds=1.5)
    once = threading.Event()

    @app.task
    async def block() -> None:
        if not once.is_set():
            once.set()
            time.sleep(5)  # noqa: ASYNC251 - the subject

    async with working(app):
        job = await block.aenqueue()
        row = await until_final(job)
        await until(lambda: "the event loop goes on" in caplog.text)
    assert "longer than PGFLOW_BLOCKED_LOOP_SECONDS=1.5: its leases will lapse" in caplog.text
    assert row.state == "succeeded"
    outcomes = db.execute("select outcome::text from pgflow.attempts order by attempt").fetchall()
    assert outcomes in ([("lost",), ("succeeded",)], [("succeeded",)])


async def test_the_time_in_which_the_process_was_stopped_is_no_blockage(make_app: Callable[..., App]) -> None:
    app = make_app(blocked_loop_seconds=2)
    async with working(app) as worker:
        watch = vigil.Vigil(worker._options, worker.pulse, worker.hands)
        watch.look(0.25, time.monotonic())
        watch.look(2 * vigil.LOOK_SECONDS, time.monotonic() + 3600)
        assert worker.pulse.loop_seconds < 2
        assert not worker.pulse.is_withheld


async def test_a_loop_that_cannot_be_asked_is_blocked(make_app: Callable[..., App]) -> None:
    app = make_app(blocked_loop_seconds=1.2)
    ended = threading.Event()

    def closed(_: Callable[[], None]) -> None:
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))

    async with working(app) as worker:
        watch = vigil.Vigil(worker._options, Pulse(1.0), worker.hands)
        watch._call_soon, watch.ends = closed, ended.set
        watch.start()
        assert await anyio.to_thread.run_sync(ended.wait, 30)
        watch.end()


async def test_slots_that_never_come_back_are_told_and_end_the_worker(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floor, "STUCK_SECONDS", 0.3)
    app = make_app(concurrency=2, claim_timeout_seconds=2)
    let_go = threading.Event()

    @app.task(timeout=0.1, max_attempts=1)
    def stuck() -> None:
        let_go.wait(60)

    await stuck.aenqueue_many([((), {})] * 2)
    worker = app.worker()
    seen: list[str] = []
    try:
        async with anyio.create_task_group() as group:

            async def look() -> None:
                await until(lambda: worker.started and "slots" in down(app))
                seen.extend(down(app))

            group.start_soon(look)
            failed = await failure_of(worker)
    finally:
        let_go.set()
    assert "every thread slot is held by a run" in str(failed)
    assert seen == ["slots"]


async def test_a_claimer_that_breaks_ends_the_worker_in_order_and_not_in_silence(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()

    @app.task
    async def slow() -> None:
        await anyio.sleep(0.5)

    job = await slow.aenqueue()
    worker = app.worker()

    async def break_it() -> None:
        await until(lambda: worker.started and worker.floor.running)

        async def broken() -> bool:
            raise LookupError("nobody foresaw this")

        monkeypatch.setattr(worker.claimer, "_claim_round", broken)
        worker.claimer.woken(None)

    async with anyio.create_task_group() as group:
        group.start_soon(break_it)
        failed = await failure_of(worker)
    assert "nobody foresaw this" in str(failed)
    assert (await job.arefresh()).state == "succeeded"


async def test_upkeep_that_breaks_is_told_and_takes_nobody_along(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Untidy:
        name = "untidy"

        @hookimpl
        def pgflow_maintenance(self, run: Any) -> None:
            raise SystemExit(5)

    monkeypatch.setattr("pgflow.worker.pulse.TROUBLE_SECONDS", 0.1)
    app = make_app(plugins=[Untidy()], maintenance_interval_secs=0.1)

    @app.task
    async def fine() -> None:
        await anyio.sleep(0)

    async with working(app):
        await until(lambda: "maintenance" in caplog.text)
        assert (await until_final(await fine.aenqueue())).state == "succeeded"
        await until(lambda: [c.name for c in app.worker_health() if not c.ok] == ["upkeep"])
        assert down(app) == []


async def test_a_burst_goes_on_when_a_look_at_what_is_left_fails(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = make_app()
    failures = [DatabaseUnavailableError("cut"), DatabaseUnavailableError("cut again")]
    plain = app.db.arun

    async def arun(statement: Any) -> Any:
        if statement.query is sql.LEFT and failures:
            raise failures.pop()
        return await plain(statement)

    monkeypatch.setattr(app.db, "arun", arun)
    with anyio.fail_after(20):
        await app.worker(burst=True).run()
    assert failures == []


async def test_outcomes_wait_for_a_database_that_only_reads_for_now(make_app: Callable[..., App], db: Any) -> None:
    app = make_app()
    go_on = anyio.Event()

    @app.task
    async def wait() -> None:
        await go_on.wait()

    job = await wait.aenqueue()
    name = db.info.dbname
    async with working(app) as worker:
        await until(lambda: worker.floor.running)
        db.execute(f'alter database "{name}" set default_transaction_read_only = on')
        db.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                   " and pid <> pg_backend_pid()")  # fmt: skip
        go_on.set()
        await until(lambda: "read-only" in worker.pulse.store_error)
        db.execute("set default_transaction_read_only = off")
        db.execute(f'alter database "{name}" reset default_transaction_read_only')
        db.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database()"
                   " and pid <> pg_backend_pid()")  # fmt: skip
        row = await until_final(job)
    assert (row.state, row.attempt) == ("succeeded", 1)


async def test_large_results_are_stored_a_few_at_a_time(make_app: Callable[..., App]) -> None:
    app = make_app()

    @app.task(keep_result=True)
    async def large() -> str:
        return "x" * 6_000_000

    jobs = await large.aenqueue_many([((), {})] * 6)
    async with working(app):
        for job in jobs:
            assert (await until_final(job)).state == "succeeded"


def test_what_is_to_blame_is_told_by_the_servers_code(db: Any) -> None:
    import psycopg

    assert blame(UnicodeEncodeError("utf-8", "\ud800", 0, 1, "no character")) is Blame.ROWS
    assert blame(DatabaseUnavailableError("gone")) is Blame.PASSING
    with pytest.raises(psycopg.Error) as found:
        db.execute("select 1 / 0")
    assert blame(found.value) is Blame.ROWS
    with pytest.raises(psycopg.Error) as found:
        db.execute("select " + ", ".join(["1"] * 2_000))
    assert blame(found.value) is Blame.TOO_MUCH
    with pytest.raises(psycopg.Error) as found:
        db.execute("begin read only; create table there (n int)")
    assert blame(found.value) is Blame.PASSING
