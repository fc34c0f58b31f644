"""What type checkers see of `@app.task` in each of its spellings."""

from __future__ import annotations

from typing import Any, assert_type

from pgflow import App, Context
from pgflow.handle import Job

app = App("shop")


@app.task
def rebuild(day: str) -> None:
    del day


@app.task(queue="mail", max_attempts=5, timeout=30, priority=0, autoretry_for=(OSError,), retry_backoff=True)
async def send_receipt(order_id: int, *, to: str) -> str:
    return f"{order_id}{to}"


@app.task(bind=True, keep_result=True)
def count(context: Context, start: int) -> int:
    return start + context.attempt


@app.task(bind=True)
async def again(context: Context, start: int) -> int:
    if start > context.retries:
        raise context.retry(countdown=60)
    return start


assert_type(rebuild.enqueue("2026-11-24"), Job[None])
assert_type(send_receipt.enqueue(17, to="a@b.c"), Job[str])
assert_type(count.enqueue(17), Job[int])
assert_type(again.options(delay=60).enqueue(17), Job[int])
assert_type(app.enqueue("shop.tasks.send_receipt", args=[17], kwargs={"to": "a@b.c"}), Job[Any])

rebuild.enqueue(17)  # wrong: an int for a str
send_receipt.enqueue(17)  # wrong: `to` is missing
count.enqueue(count, 17)  # wrong: the context is the worker's to give


@app.task(max_atempts=5)  # wrong: a misspelt option
def misspelt() -> None: ...


@app.task(timeout="30")  # wrong: a str for seconds
def mistyped() -> None: ...


@app.task(bind=True)  # wrong: the first parameter is no context
def no_context(start: int) -> int:
    return start
