"""What type checkers see of a task: the function's own signature, and what its job results in."""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar, assert_type

from pgflow.handle import Job
from pgflow.task import BindingDecorator, BoundTask, Context, Task, TaskDecorator

T = TypeVar("T")


def declare(task: TaskDecorator, binding: BindingDecorator) -> None:
    @task
    async def send_receipt(order_id: int, *, to: str) -> str:
        return f"{order_id}{to}"

    @task
    def rebuild(day: str, *days: str, force: bool = False) -> None: ...

    @task
    def load(key: str) -> Any:
        return key

    @task
    async def fetch(key: str) -> Any:
        return key

    @task
    def first(items: Sequence[T]) -> T:
        return items[0]

    @task
    async def last(items: Sequence[T]) -> T:
        return items[-1]

    @binding
    def count(context: Context, start: int, *, step: int = 1) -> int:
        return start + step + context.attempt

    @binding
    async def acount(context: Context, start: int) -> float:
        return start + context.attempt

    assert_type(send_receipt.enqueue(17, to="a@b.c"), Job[str])
    assert_type(send_receipt.delay(17, to="a@b.c"), Job[str])
    assert_type(send_receipt.options(delay=60, priority=5).enqueue(17, to="a@b.c"), Job[str])
    assert_type(send_receipt.enqueue_many([((1,), {"to": "x"}), ((2,), {"to": "y"})]), list[Job[str]])
    assert_type(send_receipt.enqueue(17, to="a@b.c").wait(timeout=10), str)
    assert_type(send_receipt.apply_async((17,), {"to": "a@b.c"}, countdown=5).id, str)

    assert_type(rebuild.enqueue("2026-11-24", "2026-11-25", force=True), Job[None])
    assert_type(rebuild.options(queue="slow").delay("2026-11-24"), Job[None])

    assert_type(load.enqueue("a"), Job[Any])
    assert_type(load.enqueue("a").wait(), Any)
    assert_type(fetch.enqueue("a"), Job[Any])
    assert_type(fetch.options(priority=1).enqueue("a"), Job[Any])

    assert_type(first([1, 2]), int)
    assert_type(first.enqueue([1, 2]), Job[int])
    assert_type(first.delay(["a"]), Job[str])
    assert_type(last.enqueue([1, 2]), Job[int])

    assert_type(count(1, step=2), int)
    assert_type(count.enqueue(1, step=2), Job[int])
    assert_type(acount.enqueue(1), Job[float])
    assert_type(count.options(keep_result=True).enqueue_many([((1,), {})]), list[Job[int]])


async def enqueue_async(send: Task[[int], Coroutine[Any, Any, str]], store: Task[[int], bytes]) -> None:
    assert_type(await send(1), str)
    assert_type(store(1), bytes)
    assert_type(await send.aenqueue(1), Job[str])
    assert_type(await store.aenqueue(1), Job[bytes])
    assert_type(await (await send.aenqueue(1)).await_result(timeout=1), str)
    assert_type(await send.aenqueue_many([((1,), {})]), list[Job[str]])
    assert_type(send.options(), BoundTask[[int], str])
    assert_type(await send.options(conn=object()).aenqueue(1), Job[str])
    assert_type(await store.options(conn=object()).aenqueue_many([]), list[Job[bytes]])


def widen(task: Task[[int], bool]) -> Task[[int], int]:
    return task


def keep(job: Job[bool]) -> Job[int]:
    return job
