"""The handle of a job: looking at it, and waiting for its end in a thread and on both event loops."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import App
from pgflow.errors import JobFailed, JobNotFoundError, WaitTimeoutError
from pgflow.handle import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Job, _pauses
from pgflow.model import State

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from pgflow.task import Task

NO_JOB = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"
PATIENCE_SECONDS = 20


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    """Give an app of the test's own database."""
    app = App("shop", dsn=migrated_url)
    yield app
    app.close()


def declare(app: App) -> Task[[int], Coroutine[Any, Any, dict[str, int]]]:
    @app.task(keep_result=True, max_attempts=1)
    async def double(number: int) -> dict[str, int]:
        return {"double": 2 * number // (number != 13)}

    return double


@pytest.mark.anyio
async def test_awaiting_a_result_gives_what_the_task_returned(app: App) -> None:
    double = declare(app)
    job = await double.aenqueue(4)
    assert (await job.arefresh()).state is State.QUEUED
    async with anyio.create_task_group() as group:
        group.start_soon(app.worker(burst=True).run)
        assert await job.await_result(timeout=PATIENCE_SECONDS) == {"double": 8}
    assert (await job.arefresh()).state is State.SUCCEEDED


@pytest.mark.anyio
async def test_a_job_that_died_raises_with_its_error(app: App) -> None:
    job = await declare(app).aenqueue(13)
    await app.worker(burst=True).run()
    with pytest.raises(JobFailed, match=r"is dead.*ZeroDivisionError") as caught:
        await job.await_result(timeout=PATIENCE_SECONDS)
    assert (caught.value.job_id, caught.value.state, caught.value.code) == (job.id, "dead", "UNKNOWN")


@pytest.mark.anyio
async def test_a_task_that_keeps_no_result_gives_none(app: App) -> None:
    job = await declare(app).options(keep_result=False).aenqueue(4)
    await app.worker(burst=True).run()
    assert await job.await_result(timeout=PATIENCE_SECONDS) is None


@pytest.mark.anyio
async def test_waiting_on_the_loop_ends_in_time(app: App) -> None:
    job = await declare(app).aenqueue(4)
    with pytest.raises(WaitTimeoutError, match=r"has not ended within 0\.05 s; it goes on"):
        await job.await_result(timeout=0.05)


def test_waiting_in_a_thread_sees_the_job_end(app: App) -> None:
    job = declare(app).enqueue(4)
    assert job.refresh().state is State.QUEUED
    other = threading.Thread(target=app.cancel, args=(job.id,))
    other.start()
    with pytest.raises(JobFailed, match="is cancelled"):
        job.wait(timeout=PATIENCE_SECONDS)
    other.join(PATIENCE_SECONDS)
    assert job.refresh().state is State.CANCELLED


@pytest.mark.parametrize("timeout", [0, 0.02])
def test_waiting_in_a_thread_ends_in_time(app: App, timeout: float) -> None:
    job = declare(app).enqueue(4)
    start = time.monotonic()
    with pytest.raises(WaitTimeoutError):
        job.wait(timeout=timeout)
    assert time.monotonic() - start < PATIENCE_SECONDS


@pytest.mark.anyio
async def test_a_handle_of_no_job_says_so(app: App) -> None:
    job = app.job(NO_JOB)
    for ask in (job.arefresh, job.await_result):
        with pytest.raises(JobNotFoundError, match=NO_JOB):
            await ask()
    for look in (job.refresh, job.wait):
        with pytest.raises(JobNotFoundError, match=NO_JOB):
            look()


def test_handles_are_equal_by_id(app: App) -> None:
    first, second = app.job(NO_JOB), app.job(NO_JOB)
    assert first == second
    assert len({first, second}) == 1
    assert first != NO_JOB
    assert repr(first) == f"Job({NO_JOB})"
    with pytest.raises(AttributeError):
        first.id = "1"  # type: ignore[misc]
    assert isinstance(first, Job)


def test_pauses_grow_from_5_to_250_milliseconds() -> None:
    pauses = [pause for pause, _ in zip(_pauses(None), range(30), strict=False)]
    assert pauses[0] == FIRST_PAUSE_SECONDS
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE_SECONDS


def test_the_last_look_comes_when_the_time_is_over() -> None:
    assert list(_pauses(0)) == [0]
    assert list(_pauses(-1)) == [0]
