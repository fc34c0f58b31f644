"""pgqueuer on asyncpg and uvloop."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgDriver
from pgqueuer.queries import Queries

from bench.peers.adapters.child import URL, main, noter, tuned

if TYPE_CHECKING:
    from anyio.abc import TaskGroup
    from pgqueuer.models import Job

TUNED: Final = tuned(batch=500, dequeuers=1, bulk=10_000, aggregate_seconds=30)
"""`dequeuers` is how many of its workers share the process and its loop, each on a connection of its own."""


class Pgqueuer:
    """Bulk is its `enqueue` with lists: one insert of unnested arrays."""

    async def setup(self) -> None:
        """Make the tables."""
        await Queries(AsyncpgDriver(await asyncpg.connect(URL))).install()

    async def open(self) -> None:
        """Connect: one connection to enqueue, one for each worker."""
        self.queries = Queries(AsyncpgDriver(await asyncpg.connect(URL)))
        self.note = noter()

    async def one(self, first: int, jobs: int) -> None:
        """Enqueue one by one."""
        for number in range(first, first + jobs):
            await self.queries.enqueue("nothing", str(number).encode())

    async def many(self, first: int, jobs: int) -> None:
        """Enqueue in batches."""
        for start in range(first, first + jobs, TUNED["bulk"]):
            numbers = range(start, min(start + TUNED["bulk"], first + jobs))
            await self.queries.enqueue(
                ["nothing"] * len(numbers), [str(n).encode() for n in numbers], [0] * len(numbers)
            )

    async def start(self, group: TaskGroup, until: int) -> None:
        """Run the workers."""
        del group, until
        self.workers = [await self._worker() for _ in range(TUNED["dequeuers"])]
        self.runs = [
            asyncio.create_task(
                worker.run(
                    batch_size=TUNED["batch"], log_aggregation_interval=timedelta(seconds=TUNED["aggregate_seconds"])
                )
            )
            for worker in self.workers
        ]

    async def stop(self) -> None:
        """Stop them, and wait."""
        for worker in self.workers:
            worker.shutdown.set()
        await asyncio.gather(*self.runs)

    async def _worker(self) -> PgQueuer:
        worker = PgQueuer(AsyncpgDriver(await asyncpg.connect(URL)))
        note = self.note

        @worker.entrypoint("nothing")
        async def nothing(job: Job) -> None:
            note(int(job.payload or b"0"))

        return worker


if __name__ == "__main__":
    main(Pgqueuer())
