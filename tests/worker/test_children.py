"""Tasks in child processes: they may die, and the worker does not."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from tasks_for_children import add, app, fall, look, loop, turn

from workers import until, until_final, work, working

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio


@pytest.fixture
def children(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module's app, on the test's database."""
    monkeypatch.setattr(app, "_given", {"database_url": migrated_url, "poll_interval_ms": 100, "concurrency": 2})
    for cached in ("settings", "database"):
        app.__dict__.pop(cached, None)
    app.house.forget()
    yield app
    app.close()


async def test_a_child_runs_many_jobs_and_gives_their_results(children: Any) -> None:
    jobs = await add.aenqueue_many([((n, 1), {}) for n in range(20)])
    await work(children)
    results = [await job.await_result(1) for job in jobs]
    assert [total for total, _ in results] == list(range(1, 21))
    pids = {pid for _, pid in results}
    assert os.getpid() not in pids
    assert len(pids) <= 2


async def test_middleware_wraps_runs_in_the_child(children: Any) -> None:
    job = await look.aenqueue()
    await work(children)
    assert (await job.await_result(1))[-1] == f"{look.name} 1"


async def test_a_child_that_dies_is_a_failure_of_its_job_and_another_takes_its_place(children: Any) -> None:
    fallen, fine = await fall.aenqueue(), await add.aenqueue(1, 2)
    await work(children)
    row = await fallen.arefresh()
    assert (row.state, row.attempt, row.error_code) == ("dead", 2, "PANIC")
    assert "SIGSEGV" in str(row.error_message)
    assert (await fine.await_result(1))[0] == 3


async def test_an_endless_loop_in_a_child_is_killed_at_its_timeout(children: Any) -> None:
    job = await loop.aenqueue()
    async with working(children):
        row = await until_final(job)
    assert (row.state, row.error_code) == ("dead", "TIMEOUT")


@pytest.mark.parametrize(("how", "result"), [("retry", 1), ("snooze", 0)])
async def test_a_task_in_a_child_says_how_its_run_ends(children: Any, how: str, result: int) -> None:
    job = await turn.aenqueue(how)
    await work(children)
    assert await job.await_result(1) == result


async def test_a_job_error_of_a_child_keeps_its_code_and_traceback(children: Any, db: Any) -> None:
    job = await turn.aenqueue("error")
    await work(children)
    row = await job.arefresh()
    assert (row.error_code, row.error_message, row.reason_code) == ("SPECIAL", "said the child", "NON_RETRYABLE")
    [(trace,)] = db.execute("select traceback from pgflow.attempts").fetchall()
    assert "tasks_for_children.py" in trace


async def test_children_end_with_their_worker(children: Any) -> None:
    job = await add.aenqueue(1, 1)
    await work(children)
    pid = (await job.await_result(1))[1]
    await until(lambda: not _alive(pid))


async def test_a_child_killed_from_outside_is_replaced(children: Any) -> None:
    async with working(children):
        first = await add.aenqueue(1, 1)
        await until_final(first)
        pid = (await first.await_result(1))[1]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: not _alive(pid))
        jobs = await add.aenqueue_many([((n, n), {}) for n in range(4)])
        with anyio.fail_after(15):
            assert [(await job.await_result())[0] for job in jobs] == [0, 2, 4, 6]


def _alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
