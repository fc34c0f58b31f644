"""procrastinate on its psycopg connector and uvloop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import procrastinate

from bench.peers.adapters.child import URL, main, noter, tuned

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

TUNED: Final = tuned(concurrency=10, pool=12, bulk=5_000, delete=0)


class Procrastinate:
    """Bulk is its `batch_defer_async`."""

    def __init__(self) -> None:
        connector = procrastinate.PsycopgConnector(conninfo=URL, min_size=1, max_size=TUNED["pool"])
        self.app = procrastinate.App(connector=connector)

    async def setup(self) -> None:
        """Make the tables."""
        async with self.app.open_async():
            await self.app.schema_manager.apply_schema_async()

    async def open(self) -> None:
        """Connect, and declare the no-op."""
        await self.app.open_async()
        note = noter()

        @self.app.task(name="nothing")
        async def nothing(n: int) -> None:
            note(n)

        self.task = nothing

    async def one(self, first: int, jobs: int) -> None:
        """Enqueue one by one."""
        for number in range(first, first + jobs):
            await self.task.defer_async(n=number)

    async def many(self, first: int, jobs: int) -> None:
        """Enqueue in batches."""
        for start in range(first, first + jobs, TUNED["bulk"]):
            await self.task.batch_defer_async(
                *({"n": n} for n in range(start, min(start + TUNED["bulk"], first + jobs)))
            )

    async def start(self, group: TaskGroup, until: int) -> None:
        """Run a worker."""
        del group, until
        self.run = asyncio.create_task(
            self.app.run_worker_async(
                concurrency=TUNED["concurrency"],
                install_signal_handlers=False,
                delete_jobs="always" if TUNED["delete"] else "never",
            )
        )

    async def stop(self) -> None:
        """Stop it, and wait."""
        self.run.cancel()
        await asyncio.wait([self.run])


if __name__ == "__main__":
    main(Procrastinate())
