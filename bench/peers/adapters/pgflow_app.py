"""pgflow: `python -m bench.peers.adapters.pgflow_app asyncio|defaults|trio|threads|floor`."""

from __future__ import annotations

import os
import sys
import threading
from typing import TYPE_CHECKING, Any, Final

import anyio

from bench.peers.adapters.child import URL, main, noter, tuned
from pgflow import App
from pgflow.bench import floor
from pgflow.bench.tasks import QUEUE
from pgflow.store import buckets
from pgflow.store.migrate import migrate
from pgflow.worker.own import spare_what_stays

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

BATCH: Final = int(os.environ.get("BENCH_BATCH", "10000"))


class PgflowApp:
    """As in production: every built-in plugin on, and every setting but the batch at its default."""

    def __init__(self, app: App, task: Any) -> None:
        self.app = app
        self.task = task

    def setup(self) -> None:
        """Apply the migrations, and make the buckets that any worker's upkeep has made a week ahead."""
        migrate(self.app.pool, self.app.migrations)
        buckets.ensure(self.app.pool, self.app.settings.dataset_bucket)

    def open(self) -> None:
        """Connect, and load the plugins."""
        self.app.hooks, self.app.pool.dsn  # noqa: B018  (both are made on first use)

    def one(self, first: int, jobs: int) -> None:
        """Enqueue one by one."""
        for number in range(first, first + jobs):
            self.task.enqueue(number)

    def many(self, first: int, jobs: int) -> None:
        """Enqueue in batches."""
        for start in range(first, first + jobs, BATCH):
            self.task.enqueue_many([((n,), {}) for n in range(start, min(start + BATCH, first + jobs))])

    def start(self, group: TaskGroup, until: int) -> None:
        """Run a worker."""
        del until
        self.worker = self.app.worker()
        self.ended = anyio.Event()
        group.start_soon(self._work)

    async def stop(self) -> None:
        """Stop it, and wait."""
        self.worker.stop()
        await self.ended.wait()

    async def _work(self) -> None:
        spare_what_stays()  # as `pgflow worker` does
        await self.worker.run()
        self.ended.set()


class Floor(PgflowApp):
    """The same statements in a bare loop: no handler runs, so a job counts as run once all are acknowledged."""

    def start(self, group: TaskGroup, until: int) -> None:
        """Claim and acknowledge `until` jobs, in threads."""
        del group
        self.thread = threading.Thread(target=self._drain, args=(until,))
        self.thread.start()

    async def stop(self) -> None:
        """Wait for its end."""
        await anyio.to_thread.run_sync(self.thread.join)

    def _drain(self, jobs: int) -> None:
        note = noter()
        note(0)
        floor.drain(self.app.pool, jobs, self.app.settings.dequeue_batch_size)
        for number in range(1, jobs):
            note(number)


def adapted(how: str) -> PgflowApp:
    """Declare the no-op, as a coroutine or as a plain function, which pgflow runs in threads."""
    best = {} if how == "defaults" else tuned(dequeue_batch_size=1_536)
    app = App("bench", database_url=URL, migrate_on_startup=False, embedded=False, **best)
    note = noter() if "BENCH_LEDGER" in os.environ else print

    async def nothing(n: int) -> None:
        note(n)

    def nothing_in_thread(n: int) -> None:
        note(n)

    task = app.task(queue=QUEUE, name="nothing")(nothing_in_thread if how == "threads" else nothing)
    return Floor(app, task) if how == "floor" else PgflowApp(app, task)


if __name__ == "__main__":
    main(adapted(sys.argv[1]), backend="trio" if sys.argv[1] == "trio" else "asyncio")
