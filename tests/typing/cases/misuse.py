"""Each line marked `# wrong` must be flagged by every type checker, and no other line by any."""

from __future__ import annotations

from datetime import timedelta

from pgflow.handle import Job
from pgflow.task import BindingDecorator, Context, Task, TaskDecorator, TaskKeywords


def misuse(task: TaskDecorator, binding: BindingDecorator) -> None:
    @task
    async def send_receipt(order_id: int, *, to: str) -> str:
        return f"{order_id}{to}"

    @task
    def rebuild(day: str) -> None: ...

    @binding
    def count(context: Context, start: int) -> int:
        return start + context.attempt

    send_receipt.enqueue("17", to="a@b.c")  # wrong: a str for an int
    send_receipt.enqueue(17)  # wrong: `to` is missing
    send_receipt.enqueue(17, "a@b.c")  # wrong: `to` is a keyword
    send_receipt.enqueue(17, to="a@b.c", delay=60)  # wrong: an option beside the task's own arguments
    send_receipt.delay(17, too="a@b.c")  # wrong: a misspelt argument
    rebuild.enqueue(day=20261124)  # wrong: an int for a str
    rebuild()  # wrong: `day` is missing
    count.enqueue(Context(task="t", queue="q"), 1)  # wrong: the context is the worker's to give
    count(1, 2)  # wrong: one argument too many
    send_receipt.options(delay=60).enqueue(17, to=None)  # wrong: None for a str
    send_receipt.options(dealy=60)  # wrong: a misspelt option
    send_receipt.options(delay="60")  # wrong: a str for a number of seconds
    send_receipt.enqueue_many([(1, {"to": "x"})])  # wrong: the arguments are no sequence
    send_receipt.apply_async({"to": "x"}, 5)  # wrong: kwargs are no mapping
    number: Job[int] = send_receipt.enqueue(17, to="a@b.c")  # wrong: the job results in a str
    number.id = "1"  # wrong: a handle does not change
    options: TaskKeywords = {"queue": "mail", "max_atempts": 5}  # wrong: a misspelt option of a declaration
    options["timeout"] = timedelta(seconds=5)


async def forgotten(send: Task[[int], str]) -> None:
    send.aenqueue(1)  # wrong: a forgotten await
    send.options(delay=1).aenqueue(1)  # wrong: a forgotten await
    send.enqueue(1).await_result()  # wrong: a forgotten await
    job = await send.aenqueue("1")  # wrong: a str for an int
    await job.refresh()  # wrong: the plain look-up is no coroutine


def decorate(task: TaskDecorator, binding: BindingDecorator) -> None:
    @binding  # wrong: the first parameter is no context
    def no_context(start: int) -> int:
        return start

    task(17)  # wrong: a number is no function
    no_context.enqueue()
