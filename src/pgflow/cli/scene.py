"""What the demo does and counts: a scene in four acts, on jobs whose ids it keeps."""

from __future__ import annotations

import time
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import anyio

from pgflow import demo
from pgflow.cli.progress import progress
from pgflow.cli.running import run_async
from pgflow.demo import QUEUE
from pgflow.errors import DatabaseUnavailableError, JobRejected, WaitTimeoutError
from pgflow.model import OutcomeKind, State
from pgflow.store import migrate
from pgflow.store.admin import look
from pgflow.store.wire import shown_dsn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.app import App
    from pgflow.commands.options import Backend
    from pgflow.model import JobRow

LOOK_SECONDS: Final = 0.05
LOOKED_AT_ONCE: Final = 1_000
REPLAYED: Final = 5
REJECTED: Final = 2
PATIENCE_SECONDS: Final = 120
TRICKLE_SECONDS: Final = 1.0


class Counts(NamedTuple):
    """How many jobs of this demo stand in the database, replays included, and how they fared."""

    enqueued: int
    succeeded: int
    retried: int
    dead: int
    replayed: int


class Scene:
    """One run of the demo."""

    def __init__(self, app: App, backend: Backend) -> None:
        self._app = app
        self._backend = backend
        self._ids: list[str] = []
        self._replays: list[str] = []
        self.rejected = 0
        self.a_retried = ""
        self.a_dead = ""

    def prepare(self) -> str:
        """Migrate; gives a name of the database."""
        migrate.migrate(self._app.pool, self._app.migrations)
        embedded = " (embedded, for development)" if self._app.database.embedded else ""
        return shown_dsn(self._app.pool.dsn) + embedded

    def seed(self, total: int) -> None:
        """Enqueue jobs of every fate, while the bank is closed."""
        demo.outside.bank_is_open = False
        shipped, charged, refunded, resized = total // 5, max(1, total // 20), max(1, total // 30), total // 6
        greeted = total - shipped - charged - refunded - resized
        shipments = demo.ship.enqueue_many([((order,), {"failures": 1 + order % 2}) for order in range(shipped)])
        charges = demo.charge.enqueue_many([((order,), {"cents": 990}) for order in range(charged)])
        others = [
            *demo.refund.enqueue_many([((order,), {}) for order in range(refunded)]),
            *demo.resize.enqueue_many([((picture,), {}) for picture in range(resized)]),
            *demo.greet.enqueue_many([((f"customer {n}",), {}) for n in range(greeted)]),
        ]
        self.a_retried, self.a_dead = shipments[-1].id, charges[-1].id
        self._ids = [job.id for job in (*shipments, *charges, *others)]
        for _ in range(REJECTED):
            self._enqueue_too_much()

    def work(self) -> None:
        """Work them all to their end."""
        self._work(self._ids, "working")

    def replay(self) -> None:
        """Open the bank, and replay a few of the dead."""
        demo.outside.bank_is_open = True
        dead = [row.id for row in self._rows(self._ids) if row.state is State.DEAD and row.id != self.a_dead]
        self._replays = [self._app.replay(job_id).id for job_id in dead[:REPLAYED]]
        self._work(self._replays, "replaying")

    def count(self) -> Counts:
        """Count what the database says of this demo's jobs."""
        rows = list(self._rows([*self._ids, *self._replays]))
        again = [row for row in rows if row.attempt > 1]
        return Counts(
            enqueued=len(rows),
            succeeded=sum(row.state is State.SUCCEEDED for row in rows),
            retried=sum(self._has_failed_and_come_back(row) for row in again),
            dead=sum(row.state is State.DEAD for row in rows),
            replayed=sum(row.replay_of is not None for row in rows),
        )

    def _enqueue_too_much(self) -> None:
        try:
            job = demo.archive.enqueue("x" * (self._app.settings.max_payload_bytes + 1))
        except JobRejected:
            self.rejected += 1
        else:
            # the guardrails are switched off here
            self._ids.append(job.id)

    def _work(self, ids: list[str], label: str) -> None:
        with progress(label, len(ids)) as show:
            run_async(self._work_until_ended, ids, show, backend=self._backend)

    async def _work_until_ended(self, ids: list[str], show: Callable[[int], None]) -> None:
        # not a burst: what else stands in the queue, from another day, is no reason to wait
        worker = self._app.worker(queues=[QUEUE])
        async with anyio.create_task_group() as group:
            group.start_soon(worker.run)
            await self._until_ended(ids, show)
            worker.stop()

    async def _until_ended(self, ids: list[str], show: Callable[[int], None]) -> None:
        left = list(ids)
        end = time.monotonic() + PATIENCE_SECONDS
        while left:
            head = left[:LOOKED_AT_ONCE]
            rows = await self._app.pool.arun(look.describe(head))
            ended = {row.id for row in rows if row.state.is_final}
            left = [job_id for job_id in left if job_id not in ended]
            show(len(ids) - len(left))
            if time.monotonic() > end:
                late = f"{len(left)} jobs of the demo have not ended within {PATIENCE_SECONDS} s"
                msg = f"{late}: see `pgflow jobs --queue {QUEUE}`"
                raise WaitTimeoutError(msg)
            await anyio.sleep(LOOK_SECONDS)

    def _rows(self, ids: list[str]) -> Iterator[JobRow]:
        for first in range(0, len(ids), LOOKED_AT_ONCE):
            yield from self._app.pool.run(look.describe(ids[first : first + LOOKED_AT_ONCE]))

    def _has_failed_and_come_back(self, row: JobRow) -> bool:
        runs = self._app.pool.run(look.attempts(row.id))
        return any(run.outcome is OutcomeKind.FAILED for run in runs[:-1])


async def trickle() -> None:
    """Enqueue a job each second, of every fate in turn, until cancelled."""
    for order in count(1):
        # a database that is away is the worker's to tell
        with suppress(DatabaseUnavailableError):
            await _send(order)
        await anyio.sleep(TRICKLE_SECONDS)


async def _send(order: int) -> None:
    kinds: list[Callable[[], Any]] = [
        lambda: demo.greet.aenqueue(f"customer {order}"),
        lambda: demo.resize.aenqueue(order),
        lambda: demo.ship.aenqueue(order),
        lambda: demo.charge.aenqueue(order, cents=990 if order % 3 else 2 * demo.CARD_LIMIT_CENTS),
    ]
    await kinds[order % len(kinds)]()
