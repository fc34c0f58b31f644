"""How a run ends, on every executor and both event loops."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, NoReturn

import anyio
import pytest

from moves import hasten
from pgflow import App, Cancel, Context, JobError, JobFailed, Retry, Snooze
from pgflow.worker.bell import on_trio
from workers import until, until_final, work, working

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.anyio


async def test_async_and_plain_functions_run_and_their_results_are_kept(app: App) -> None:
    @app.task(keep_result=True)
    async def double(n: int) -> int:
        await anyio.sleep(0)
        return 2 * n

    @app.task(keep_result=True)
    def thread_name() -> str:
        return threading.current_thread().name

    doubled, named = await double.aenqueue(21), await thread_name.aenqueue()
    await work(app)
    assert await doubled.await_result(1) == 42
    assert (await named.await_result(1)).startswith("pgflow-slot")


async def test_a_failing_task_is_tried_again_until_its_attempts_are_spent(app: App) -> None:
    @app.task(max_attempts=3, retry_policy=0.01)
    async def fail() -> None:
        raise ValueError("no such order")

    job = await fail.aenqueue()
    counts = await work(app)
    row = await job.arefresh()
    assert (counts["failed"], counts["dead"]) == (2, 1)
    assert (row.state, row.attempt, row.reason_code) == ("dead", 3, "MAX_ATTEMPTS_EXCEEDED")
    with pytest.raises(JobFailed, match="ValueError: no such order"):
        await job.await_result(1)


async def test_a_task_says_how_its_run_ends(app: App) -> None:
    @app.task(bind=True, max_attempts=5, keep_result=True)
    async def turn(context: Context, how: str) -> list[int]:
        if context.attempt == 1:
            raise {"retry": Retry(0.01), "snooze": Snooze(0.01), "cancel": Cancel("not needed")}[how]
        return [context.attempt, context.spent]

    retried, snoozed, cancelled = [await turn.aenqueue(how) for how in ("retry", "snooze", "cancel")]
    await work(app)
    assert await retried.await_result(1) == [2, 1]
    assert await snoozed.await_result(1) == [2, 0]
    row = await cancelled.arefresh()
    assert (row.state, row.error_message) == ("cancelled", "not needed")


async def test_an_error_that_another_run_cannot_mend_dies_at_once(app: App, db: Any) -> None:
    @app.task
    async def refuse() -> None:
        raise JobError("CARD_DECLINED", "by the bank", retryable=False)

    @app.task
    async def typed(n: int) -> None:
        assert n

    refused, misfit = await refuse.aenqueue(), await app.aenqueue(typed.name, [1])
    db.execute("update pgflow.jobs set args = '[1, 2, 3]' where id = %s", [misfit.id])
    await work(app)
    for job, code in ((refused, "CARD_DECLINED"), (misfit, "BAD_PAYLOAD")):
        row = await job.arefresh()
        assert (row.state, row.attempt, row.error_code, row.reason_code) == ("dead", 1, code, "NON_RETRYABLE")


@pytest.mark.parametrize("executor", ["async", "thread"])
async def test_a_run_that_overruns_its_timeout_ends_as_timeout(app: App, executor: str) -> None:
    let_go = threading.Event()

    @app.task(name="async", timeout=0.1, max_attempts=1)
    async def sleep() -> None:
        await anyio.sleep(60)

    @app.task(name="thread", timeout=0.1, max_attempts=1)
    def block() -> None:
        let_go.wait(60)

    async with working(app):
        job = await app.aenqueue(executor)
        row = await until_final(job)
        let_go.set()
    assert (row.state, row.error_code) == ("dead", "TIMEOUT")


async def test_a_task_that_will_not_be_cancelled_is_given_up_and_holds_only_its_slot(
    app: App, monkeypatch: Any
) -> None:
    monkeypatch.setattr("pgflow.worker.deadlines.STUBBORN_SECONDS", 0.1)
    let_go = anyio.Event()

    @app.task(timeout=0.1, max_attempts=1)
    async def stubborn() -> None:
        with anyio.CancelScope(shield=True):
            await let_go.wait()

    async with working(app):
        row = await until_final(await stubborn.aenqueue())
        let_go.set()
    assert row.error_code == "TIMEOUT"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), GeneratorExit()])
@pytest.mark.parametrize("executor", ["async", "thread"])
async def test_nothing_a_task_raises_takes_the_worker_down(app: App, executor: str, error: BaseException) -> None:
    @app.task(name="async", max_attempts=1)
    async def raise_here() -> NoReturn:
        raise error

    @app.task(name="thread", max_attempts=1)
    def raise_there() -> NoReturn:
        raise error

    @app.task
    async def fine() -> None:
        await anyio.sleep(0)

    bad, good = await app.aenqueue(executor), await fine.aenqueue()
    await work(app)
    assert (await bad.arefresh()).state == "dead"
    assert (await good.arefresh()).state == "succeeded"


async def test_a_task_that_cancels_the_event_loops_task_it_runs_in_harms_no_other(app: App) -> None:
    @app.task(max_attempts=1)
    async def cancel_me() -> None:
        if not on_trio():
            current = asyncio.current_task()
            assert current is not None
            current.cancel()
        await anyio.sleep(0)
        raise ValueError

    @app.task
    async def fine() -> None:
        await anyio.sleep(0.001)

    bad = await cancel_me.aenqueue_many([((), {})] * 5)
    good = await fine.aenqueue_many([((), {})] * 300)
    await work(app)
    assert {(await job.arefresh()).state for job in bad} == {"dead"}
    assert {(await job.arefresh()).state for job in good} == {"succeeded"}


async def test_messages_and_results_that_cannot_be_stored_do_not_stop_the_flush(app: App) -> None:
    class UnreadableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    @app.task(max_attempts=1)
    async def unreadable() -> None:
        raise UnreadableError

    @app.task(max_attempts=1)
    async def nul() -> None:
        raise ValueError("a\0b\ud800")

    @app.task(keep_result=True)
    async def unstorable() -> object:
        return {"here": object()}

    jobs = [await task.aenqueue() for task in (unreadable, nul, unstorable)]
    await work(app)
    rows = [await job.arefresh() for job in jobs]
    assert [row.state for row in rows] == ["dead"] * 3
    assert [row.error_code for row in rows] == ["UNKNOWN", "UNKNOWN", "BAD_PAYLOAD"]
    assert 'result["here"]' in str(rows[2].error_message) or "here" in str(rows[2].error_message)


async def test_context_variables_of_one_run_are_not_seen_by_the_next(app: App) -> None:
    who = ContextVar("who", default="nobody")
    seen: list[str] = []

    @app.task
    async def look(n: int) -> None:
        seen.append(who.get())
        who.set(f"job {n}")
        await anyio.sleep(0)

    @app.task
    def look_in_thread(n: int) -> None:
        seen.append(who.get())
        who.set(f"job {n}")

    await look.aenqueue_many([((n,), {}) for n in range(300)])
    await look_in_thread.aenqueue_many([((n,), {}) for n in range(50)])
    await work(app)
    assert seen == ["nobody"] * 350


async def test_a_limited_task_runs_so_many_at_once_and_all_of_its_jobs_run(app: App) -> None:
    inside, most = 0, 0

    @app.task(concurrency=2)
    async def limited() -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.01)
        inside -= 1

    await limited.aenqueue_many([((), {})] * 12)
    with anyio.fail_after(40):
        counts = await app.worker(burst=True, until_settled=True).run()
    assert counts["succeeded"] == 12
    assert most == 2


async def test_a_job_of_an_unknown_task_goes_back_unspent_and_holds_up_nobody(app: App, pool: Any, db: Any) -> None:
    @app.task
    async def known() -> None:
        await anyio.sleep(0)

    strangers = [await app.aenqueue("elsewhere.task") for _ in range(30)]
    mine = await known.aenqueue()
    async with working(app):
        assert (await until_final(mine)).state == "succeeded"
        await until(lambda: db.execute("select count(*) from pgflow.scheduled").fetchone() == (30,))
    row = await strangers[0].arefresh()
    assert (row.state, row.spent, row.error_code) == ("scheduled", 0, "UNKNOWN_TASK")


async def test_a_job_that_stays_unknown_dies_after_the_set_time(make_app: Callable[..., App], db: Any) -> None:
    app = make_app(unknown_task_seconds=1)
    job = await app.aenqueue("elsewhere.task")
    async with working(app):
        await until(lambda: db.execute("select 1 from pgflow.scheduled").fetchone())
        db.execute("update pgflow.jobs set run_at = run_at - interval '1 h'")
        db.execute("update pgflow.attempts set finished_at = finished_at - interval '1 h'")
        hasten(db)
        row = await until_final(job)
    assert (row.state, row.reason_code) == ("dead", "UNKNOWN_TASK")


async def test_an_expired_job_is_not_started(app: App) -> None:
    ran: list[int] = []

    @app.task
    async def late() -> None:
        ran.append(1)

    job = await late.options(expires=0.05).aenqueue()
    await anyio.sleep(0.06)
    await work(app)
    assert (await job.arefresh()).state == "expired"
    assert ran == []
