"""Inline runs: at once, in memory, with the real codec and the real judge, and time that passes when told."""

from __future__ import annotations

import threading
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import (
    App,
    ArgumentError,
    Cancel,
    Context,
    DatabaseUnavailableError,
    Fixed,
    JobError,
    JobFailed,
    JobNotFoundError,
    Retry,
    Snooze,
    State,
    WaitTimeoutError,
)
from pgflow.model import OutcomeKind
from pgflow.testing import inline

if TYPE_CHECKING:
    from pgflow.testing import Line

app = App("bench", embedded=False)
NOON = datetime(2026, 5, 17, 12, tzinfo=UTC)
tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
seen: list[Any] = []


@dataclass
class Order:
    """Something that is no JSON."""

    number: int
    day: date


@app.task(keep_result=True)
async def doubled(number: int) -> int:
    await anyio.sleep(0)
    return 2 * number


@app.task(keep_result=True)
def shipped(order: Order) -> Order:
    seen.append(order)
    return order


@app.task(bind=True, keep_result=True, max_attempts=3, retry_policy=Fixed(60))
def flaky(job: Context, failures: int) -> int:
    if job.spent < failures:
        raise ConnectionError("away")
    return job.attempt


@app.task
async def ends(how: str) -> None:
    raise {
        "snooze": Snooze(60),
        "cancel": Cancel("no need"),
        "retry": Retry(30, "again"),
        "declined": JobError("CARD_DECLINED", "no", retryable=False),
        "exit": SystemExit(3),
    }[how]


@app.task(timeout=0.05, max_attempts=1)
async def overruns() -> None:
    await anyio.sleep(30)


@app.task(timeout=0.05, max_attempts=1)
def overruns_in_a_thread(over: float) -> None:
    threading.Event().wait(over)


@app.task
async def parent(name: str) -> None:
    seen.append(f"{name} begins")
    await child.aenqueue(name)
    child.enqueue(name)
    seen.append(f"{name} ends")


@app.task
def child(name: str) -> None:
    seen.append(f"child of {name}")


@app.task(keep_result=True)
async def waits_for_another(how: str) -> Any:
    job = doubled.options(delay=60).enqueue(4)
    return await job.await_result() if how == "awaiting" else job.wait()


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> Any:
    return request.param


def kinds(line: Line, job: Any) -> list[str]:
    return [run.outcome for run in line.attempts(job)]


def test_an_enqueue_runs_its_job_at_once_and_the_handle_knows_the_result(backend: Any) -> None:
    with inline(app, backend=backend) as line:
        job = doubled.enqueue(4)
        assert job.refresh().state is State.SUCCEEDED
        assert job.wait(timeout=1) == 8
        assert [one.wait() for one in doubled.enqueue_many([((1,), {}), ((2,), {})])] == [2, 4]
        assert line.jobs[0].id == job.id


@pytest.mark.anyio
async def test_inline_works_within_a_running_loop_of_either_kind() -> None:
    with inline(app):
        assert doubled.enqueue(4).wait() == 8
        job = await doubled.aenqueue(5)
        assert await job.await_result() == 10
        assert (await job.arefresh()).state is State.SUCCEEDED


def test_arguments_and_results_pass_through_the_codec() -> None:
    with inline(app):
        order = Order(17, date(2026, 5, 17))
        job = shipped.enqueue(order)
        assert seen == [order]
        assert seen[0] is not order
        assert job.wait() == {"number": 17, "day": "2026-05-17"}
        with pytest.raises(ArgumentError, match="too many positional"):
            shipped.enqueue(order, order)  # type: ignore[call-arg]
        bad = app.enqueue(shipped.name, ["no order"])
        assert bad.refresh().error_code == "BAD_PAYLOAD"


def test_retries_come_when_their_time_has_come() -> None:
    with inline(app, clock=NOON) as line:
        job = flaky.enqueue(2)
        row = job.refresh()
        assert (row.state, row.attempt, row.spent, row.error_code) == (State.RETRYING, 2, 1, "DEPENDENCY_DOWN")
        line.advance(59)
        assert job.refresh().attempt == 2
        line.advance(1)
        assert job.refresh().attempt == 3
        line.run_until_idle()
        assert (line.now - NOON).total_seconds() == 120
        assert job.wait() == 3
        assert kinds(line, job) == ["failed", "failed", "succeeded"]


def test_a_job_that_gives_up_is_dead_with_its_reason() -> None:
    with inline(app) as line:
        job = flaky.enqueue(99)
        line.run_until_idle()
        row = job.refresh()
        assert (row.state, row.reason_code, row.spent) == (State.DEAD, "MAX_ATTEMPTS_EXCEEDED", 3)
        with pytest.raises(JobFailed, match="is dead"):
            job.wait()
        assert "ConnectionError" in str(line.attempts(job)[-1].traceback)


@pytest.mark.parametrize(
    ("how", "kind", "state", "code"),
    [
        ("snooze", OutcomeKind.SNOOZED, State.SCHEDULED, "SNOOZED"),
        ("cancel", OutcomeKind.CANCELLED, State.CANCELLED, "CANCELLED"),
        ("retry", OutcomeKind.FAILED, State.RETRYING, "RETRY_ASKED"),
        ("declined", OutcomeKind.DEAD, State.DEAD, "CARD_DECLINED"),
        ("exit", OutcomeKind.FAILED, State.RETRYING, "UNKNOWN"),
    ],
)
def test_every_end_is_judged_as_in_a_worker(how: str, kind: OutcomeKind, state: State, code: str, backend: Any) -> None:
    with inline(app, backend=backend) as line:
        job = ends.enqueue(how)
        row = job.refresh()
        assert (row.state, row.error_code, kinds(line, job)) == (state, code, [kind])


def test_a_run_over_its_timeout_ends_as_timeout(backend: Any) -> None:
    with inline(app, backend=backend):
        assert overruns.enqueue().refresh().error_code == "TIMEOUT"
        assert overruns_in_a_thread.enqueue(0.1).refresh().error_code == "TIMEOUT"
        assert overruns_in_a_thread.enqueue(0).refresh().state is State.SUCCEEDED


def test_a_job_enqueued_by_a_job_runs_when_that_one_has_ended(backend: Any) -> None:
    with inline(app, backend=backend):
        parent.enqueue("ann")
    assert seen == ["ann begins", "ann ends", "child of ann", "child of ann"]


@pytest.mark.parametrize("how", ["awaiting", "blocking"])
def test_a_job_may_wait_for_another_which_passes_time(how: str, backend: Any) -> None:
    with inline(app, clock=NOON, backend=backend) as line:
        assert waits_for_another.enqueue(how).wait() == 8
        assert (line.now - NOON).total_seconds() == 60


def test_jobs_may_wait_for_each_other_down_to_any_depth(backend: Any) -> None:
    @app.task(name="matryoshka", keep_result=True)
    async def matryoshka(depth: int) -> int:
        if depth % 2:
            return 1 + await (await matryoshka.aenqueue(depth - 1)).await_result()
        return 1 + matryoshka.enqueue(depth - 1).wait() if depth else 0

    with inline(app, backend=backend):
        assert [matryoshka.enqueue(depth).wait() for depth in (4, 5)] == [4, 5]
    del app._tasks["matryoshka"]


def test_delays_priorities_and_expiry_keep_virtual_time() -> None:
    with inline(app, clock=NOON) as line:
        child.options(delay=20).enqueue("late")
        child.options(delay=10, priority=1).enqueue("low")
        child.options(delay=10, priority=5).enqueue("high")
        expired = child.options(run_at=NOON.replace(hour=13), expires=60).enqueue("never")
        assert seen == []
        line.advance(10)
        assert seen == ["child of high", "child of low"]
        line.run_until_idle()
        assert seen[2:] == ["child of late"]
        assert expired.refresh().state is State.EXPIRED


def test_context_variables_of_the_caller_do_not_leak_into_a_job() -> None:
    @app.task(name="whose")
    def whose() -> None:
        seen.append(tenant.get())

    with inline(app):
        token = tenant.set("ann")
        whose.enqueue()
        tenant.reset(token)
    assert seen == ["nobody"]


def test_with_reraise_the_job_s_own_error_comes_out_of_the_enqueue() -> None:
    with inline(app, reraise=True) as line:
        with pytest.raises(ConnectionError, match="away"):
            flaky.enqueue(1)
        with pytest.raises(JobFailed, match="TIMEOUT"):
            overruns.enqueue()
        ends.enqueue("retry")
        ends.enqueue("snooze")
        assert len(line.jobs) == 4


def test_what_a_job_says_to_pytest_reaches_the_test() -> None:
    @app.task(name="gives_up_the_test")
    def gives_up_the_test() -> None:
        pytest.fail("seen by the test")

    with inline(app), pytest.raises(pytest.fail.Exception, match="seen by the test"):
        gives_up_the_test.enqueue()


def test_a_task_nobody_declares_waits_and_a_wait_for_it_says_why() -> None:
    with inline(app) as line:
        job = app.enqueue("elsewhere.task")
        line.run_until_idle()
        assert job.refresh().state is State.QUEUED
        with pytest.raises(WaitTimeoutError, match="declares no such task"):
            job.wait()


def test_a_job_that_never_settles_ends_the_wait() -> None:
    @app.task(name="for_ever")
    def for_ever() -> None:
        raise Snooze(1)

    with inline(app) as line:
        for_ever.enqueue()
        with pytest.raises(WaitTimeoutError, match="10,000 runs"):
            line.run_until_idle()


def test_without_a_database_what_needs_one_is_refused() -> None:
    with inline(app):
        job = doubled.enqueue(4)
        with pytest.raises(DatabaseUnavailableError, match="pgflow_app"):
            app.replay(job)
        with pytest.raises(JobNotFoundError, match="before its block ends"):
            app.job("019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10").refresh()


def test_jobs_enqueued_from_many_threads_all_run() -> None:
    with inline(app) as line:
        threads = [threading.Thread(target=doubled.enqueue, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert [row.state for row in line.jobs] == [State.SUCCEEDED] * 8
