"""A trio program that enqueues, works and waits in one nursery."""

from __future__ import annotations

import trio

from pgflow import App

app = App("trio")


@app.task(keep_result=True)
async def measure(depth: int) -> float:
    await trio.sleep(0.01)
    return depth * 0.3048


async def main() -> None:
    worker = app.worker()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(worker.run)
        jobs = await measure.aenqueue_many([((depth,), {}) for depth in (10, 20, 30)])
        for job in jobs:
            print(f"{await job.await_result(timeout=10):.2f} m")
        worker.stop()  # lets what runs finish; the nursery waits for its end
    print("the worker has ended")
    app.close()


if __name__ == "__main__":
    trio.run(main)
