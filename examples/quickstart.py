"""Quickstart: declare a task, enqueue a job, work it, look at it."""

from __future__ import annotations

import anyio

from pgflow import App

app = App("quickstart")


@app.task(keep_result=True)
async def greet(name: str) -> str:
    return f"hello, {name}"


def main() -> None:
    job = greet.enqueue("world")
    print(f"enqueued: {job.refresh().state}")

    # in production this is a process of its own: pgflow worker -A quickstart:app
    anyio.run(app.worker(burst=True).run)

    print(f"state: {job.refresh().state}")
    print(f"result: {job.wait(timeout=10)}")
    app.close()


if __name__ == "__main__":
    main()
