"""Middleware: wrappers around runs, in their three shapes, in every executor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import pytest

from pgflow import App, Context, TaskDefinitionError, hookimpl
from pgflow.testing import inline
from workers import work

pytestmark = pytest.mark.anyio


class Tracing:
    """Wraps every task, and names the job it wraps."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @hookimpl
    def pgflow_middleware(self, task: Any) -> Callable[..., Any] | None:
        if task.name.endswith("unseen"):
            return None

        def traced(job: Context) -> Iterator[None]:
            self.seen.append(f"> {job.task.rpartition('.')[2]} {job.attempt}")
            try:
                yield
            finally:
                self.seen.append(f"< {job.task.rpartition('.')[2]}")

        return traced


async def test_a_generator_wraps_async_and_plain_tasks_alike(app_with: Callable[..., App]) -> None:
    tracing = Tracing()
    app = app_with(tracing)

    @app.task(keep_result=True)
    async def waits(n: int) -> int:
        await anyio.sleep(0)
        tracing.seen.append("in waits")
        return n + 1

    @app.task(keep_result=True, bind=True)
    def plain(job: Context, n: int) -> int:
        tracing.seen.append("in plain")
        return n + job.attempt

    @app.task
    async def unseen() -> None:
        tracing.seen.append("in unseen")

    jobs = [await waits.aenqueue(1), await plain.aenqueue(1), await unseen.aenqueue()]
    counts = await work(app, queues=["default"])
    assert counts["succeeded"] == 3
    assert [await job.await_result() for job in jobs] == [2, 2, None]
    assert sorted(tracing.seen) == sorted(
        ["> waits 1", "in waits", "< waits", "> plain 1", "in plain", "< plain", "in unseen"]
    )


async def test_wrappers_see_what_is_raised_and_may_raise_in_its_place(app_with: Callable[..., App]) -> None:
    app = app_with()
    seen: list[str] = []

    @app.middleware
    def translating(job: Context) -> Iterator[None]:
        try:
            yield
        except KeyError as error:
            seen.append(repr(error))
            raise TimeoutError("too late") from error

    @app.task(max_attempts=1)
    async def fails() -> None:
        raise KeyError("missing")

    job = await fails.aenqueue()
    await work(app)
    row = await job.arefresh()
    assert (row.state, row.error_code) == ("dead", "TIMEOUT")
    assert seen == ["KeyError('missing')"]


async def test_a_wrapper_of_job_and_call_may_change_the_result_or_call_again(app_with: Callable[..., App]) -> None:
    app = app_with()

    @app.middleware
    async def doubled(job: Context, call: Callable[[], Any]) -> Any:
        return await call() * 2

    @app.middleware
    def twice(job: Context, call: Callable[[], Any]) -> Any:
        if job.task.endswith("plain"):
            call()
        return call()

    runs: list[str] = []

    @app.task(keep_result=True)
    async def waits() -> int:
        runs.append("waits")
        return 21

    @app.task(keep_result=True)
    def plain() -> int:
        runs.append("plain")
        return 21

    jobs = [await waits.aenqueue(), await plain.aenqueue()]
    await work(app)
    assert [await job.await_result() for job in jobs] == [42, 21]
    assert sorted(runs) == ["plain", "plain", "waits"]


async def test_an_async_generator_wraps_async_tasks_only(app_with: Callable[..., App]) -> None:
    app = app_with()
    seen: list[str] = []

    @app.middleware
    async def session(job: Context) -> AsyncIterator[None]:
        await anyio.sleep(0)
        seen.append(job.task.rpartition(".")[2])
        yield

    @app.task
    async def waits() -> None: ...

    @app.task
    def plain() -> None: ...

    await waits.aenqueue()
    await plain.aenqueue()
    counts = await work(app)
    assert counts["succeeded"] == 2
    assert seen == ["waits"]


async def test_plugins_are_outside_and_the_apps_own_within_in_the_order_declared(app_with: Callable[..., App]) -> None:
    tracing = Tracing()
    app = app_with(tracing)

    @app.middleware
    def first(job: Context) -> Iterator[None]:
        tracing.seen.append("first")
        yield

    @app.middleware
    def second(job: Context) -> Iterator[None]:
        tracing.seen.append("second")
        yield

    @app.task
    async def waits() -> None: ...

    await waits.aenqueue()
    await work(app)
    assert tracing.seen == ["> waits 1", "first", "second", "< waits"]


async def test_middleware_wraps_inline_runs_too() -> None:
    app = App("shop")
    seen: list[str] = []

    @app.middleware
    def noted(job: Context) -> Iterator[None]:
        seen.append(job.task.rpartition(".")[2])
        yield

    @app.task
    def plain() -> None: ...

    with inline(app):
        plain.enqueue()
    assert seen == ["plain"]


def test_an_async_wrapper_from_a_plugin_cannot_wrap_a_plain_function() -> None:
    class Wrong:
        @hookimpl
        def pgflow_middleware(self, task: Any) -> Any:
            async def wrapper(job: Context, call: Callable[[], Any]) -> Any:
                return await call()

            return wrapper

    app = App("shop", plugins=[Wrong()])

    @app.task
    def plain() -> None: ...

    with pytest.raises(TaskDefinitionError, match=r"middleware .*wrapper is async and cannot wrap a plain function"):
        _ = app.hooks


def test_what_is_no_function_is_no_middleware() -> None:
    with pytest.raises(TaskDefinitionError, match="must be a function"):
        App("shop").middleware("tracing")  # type: ignore[type-var]
