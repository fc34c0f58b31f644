"""Async and plain functions in one app: a failure, its retries, a dead letter and its replay."""

from __future__ import annotations

import threading

import anyio

from pgflow import App, Context, JobError, JobFailed

app = App("mixed")
outside = {"bank_is_open": False}


@app.task(queue="mixed", keep_result=True)
async def fetch(page: int) -> int:
    await anyio.sleep(0.01)  # waits on the event loop, beside a hundred others
    return page


@app.task(queue="mixed", keep_result=True)
def crunch(n: int) -> str:
    assert threading.current_thread() is not threading.main_thread()  # plain functions run in threads
    return f"the squares up to {n} make {sum(i * i for i in range(n + 1))}"


@app.task(bind=True, queue="mixed", max_attempts=3, retry_policy=0.1)
def unsteady(context: Context) -> None:
    if context.attempt < 3:
        raise ConnectionError("the warehouse did not answer")


@app.task(queue="mixed")
async def charge(cents: int) -> int:
    if not outside["bank_is_open"]:
        raise JobError("BANK_CLOSED", "the bank opens at nine", retryable=False)
    return cents


def main() -> None:
    pages = fetch.enqueue_many([((page,), {}) for page in range(20)])
    squares = crunch.enqueue(100)
    wobbly = unsteady.enqueue()
    charged = charge.enqueue(1999)
    work()

    print(f"pages: {sum(job.wait(timeout=10) for job in pages)}")
    print(squares.wait(timeout=10))
    print(f"unsteady: {wobbly.refresh().state} at attempt {wobbly.refresh().attempt}")
    try:
        charged.wait(timeout=10)
    except JobFailed as failure:
        print(f"charge: {failure.state}, {failure.code}: {failure.message}")

    outside["bank_is_open"] = True
    again = app.replay(charged)
    work()
    print(f"replayed: {again.refresh().state}")
    app.close()


def work() -> None:
    anyio.run(app.worker(queues=["mixed"], burst=True, until_settled=True).run)


if __name__ == "__main__":
    main()
