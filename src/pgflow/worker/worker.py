"""The worker: wires claiming, running and acknowledging together, and ends them in order."""

from __future__ import annotations

import logging
import signal
import threading
import time
from typing import TYPE_CHECKING, Final

import anyio

from pgflow.errors import PgflowError
from pgflow.store import buckets, migrate
from pgflow.store import jobs as sql
from pgflow.store.pool import Pool
from pgflow.worker.bell import Bell
from pgflow.worker.claimer import Claimer
from pgflow.worker.deadlines import Deadlines
from pgflow.worker.floor import Floor
from pgflow.worker.flusher import Flusher
from pgflow.worker.hands import Hands
from pgflow.worker.run import shut_down
from pgflow.worker.upkeep import Heartbeat, Upkeep, keep_doing

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Mapping

    from anyio.abc import TaskGroup

    from pgflow.model import Outcome
    from pgflow.task import Task
    from pgflow.worker.options import WorkerOptions

logger = logging.getLogger("pgflow.worker")

UNWIND_SECONDS: Final = 0.5
LAST_FLUSH_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.02
LOOK_LEFT_SECONDS: Final = 0.05


class Worker:
    """Works some queues of a database until stopped, or in a burst until nothing is left."""

    def __init__(self, pool: Pool, tasks: Mapping[str, Task[..., object]], options: WorkerOptions) -> None:
        self._pool = pool
        self._tasks = tasks
        self._options = options
        self._stops = 0
        self._stopped: Bell | None = None
        self.started = False
        self.flusher: Flusher
        self.floor: Floor

    async def run(self, *, handle_signals: bool = False) -> Counter[str]:
        """Work; gives how many attempts ended how.

        With `handle_signals`, SIGTERM and SIGINT stop it: the first one gently, the second at once.
        Raises `SchemaMismatchError` or `DatabaseUnavailableError` where it cannot start.
        """
        await self._pool.arun_call(self._prepare)
        beat_pool = Pool(self._pool.dsn, size=1, acquire_seconds=self._options.lease_seconds / 3)
        self._stopped = stopped = Bell()
        # a thread that waits for a lost database is not cancelled; its socket is shut down instead
        rescues: list[threading.Timer] = []
        try:
            async with anyio.create_task_group() as group:
                if handle_signals:
                    group.start_soon(self._heed_signals)
                await self._work(group, beat_pool, stopped)
                for pool in (self._pool, beat_pool):
                    rescue = threading.Timer(UNWIND_SECONDS, pool.abort)
                    rescue.daemon = True
                    rescue.start()
                    rescues.append(rescue)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            # what stops a worker is told by itself; only what nobody foresaw keeps its group
            found = group.subgroup(PgflowError)
            if found is None:
                raise
            raise first_of(found) from None
        finally:
            for rescue in rescues:
                rescue.cancel()
            beat_pool.close()
        return self.flusher.counts

    def stop(self) -> None:
        """Stop gently, and at once where it is called again. From the event loop."""
        self._stops += 1
        if self._stopped is not None:
            self._stopped.ring()

    def _prepare(self) -> None:
        migrate.check(self._pool)
        buckets.ensure(self._pool, self._options.dataset_bucket)

    async def _work(self, group: TaskGroup, beat_pool: Pool, stopped: Bell) -> None:
        options = self._options
        flush_bell, claim_bell = Bell(), Bell()
        hands = Hands(flush_bell.ring_from_thread)
        deadlines = Deadlines(hands, Bell())
        self.floor = floor = Floor(
            self._tasks, hands, deadlines, options, (claim_bell.ring, claim_bell.ring_from_thread)
        )
        claimer = Claimer(self._pool, options, floor, claim_bell)
        self.flusher = flusher = Flusher(
            self._pool, hands, flush_bell, lambda done: self._after_flush(done, floor, claimer)
        )
        heartbeat = Heartbeat(beat_pool, options, floor, hands)
        upkeep = Upkeep(self._pool, options, claimer)
        # known before the first claim: an enqueue rings only where it sees a worker to wake
        await heartbeat.beat()
        floor.start(group)
        group.start_soon(deadlines.tick_for_ever)
        group.start_soon(flusher.flush_for_ever)
        group.start_soon(claimer.claim_for_ever)
        group.start_soon(keep_doing, "heartbeat", heartbeat.beat)
        group.start_soon(keep_doing, "reap", upkeep.reap)
        group.start_soon(keep_doing, "promote", upkeep.promote)
        group.start_soon(keep_doing, "buckets", upkeep.maintain)
        group.start_soon(keep_doing, "listen", upkeep.listen)
        self.started = True
        logger.info("worker %s takes %s", options.worker_id, ", ".join(options.queues))
        if options.burst:
            group.start_soon(self._stop_when_done, claimer, hands)
        while not self._stops:
            await stopped.wait()
        await self._shut_down(claimer, floor, hands, heartbeat)

    def _after_flush(self, outcomes: list[Outcome], floor: Floor, claimer: Claimer) -> None:
        floor.ended(outcomes)
        if any(o.job.suspect or o.job.max_attempts == 1 for o in outcomes):
            claimer.woken(None)
        if self._options.verbose:
            for o in outcomes:
                logger.info("job %s %s attempt %d %s %.1f ms %s", o.job.job_id, o.job.task, o.job.attempt, o.kind,
                            1000 * (o.finished - o.started), o.error_code or "")  # fmt: skip

    async def _stop_when_done(self, claimer: Claimer, hands: Hands) -> None:
        while True:
            await anyio.sleep(LOOK_LEFT_SECONDS)
            if not (claimer.found_nothing and hands.empty):
                continue
            ready, scheduled, leased = await self._pool.arun(sql.left_to_do(self._options.queues))
            if not ready and not (self._options.until_settled and (scheduled or leased)):
                self.stop()
                return
            claimer.woken(None)

    async def _shut_down(self, claimer: Claimer, floor: Floor, hands: Hands, heartbeat: Heartbeat) -> None:
        claimer.stopping = heartbeat.stopping = True
        claimer.woken(None)
        floor.release_unstarted()
        if hands.open:
            logger.info("stopping: %d jobs run, %g s for them to finish", len(hands.open), self._options.grace_seconds)
        end = time.monotonic() + self._options.grace_seconds
        while hands.open and self._stops < 2 and time.monotonic() < end:  # noqa: PLR2004 - the second signal
            await anyio.sleep(LOOK_SECONDS)
        floor.stop_all()
        await self._until(lambda: not hands.open, UNWIND_SECONDS)
        for run in list(hands.open):
            hands.settle(run, shut_down(run))
        await self._until(lambda: hands.empty, LAST_FLUSH_SECONDS)
        if hands.empty:
            with anyio.move_on_after(LAST_FLUSH_SECONDS / 2):
                await heartbeat.leave()
        else:
            logger.warning("stopped with %d outcomes not stored: their leases will lapse", len(hands.done))
        floor.close()

    @staticmethod
    async def _until(condition: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not condition() and time.monotonic() < end:
            await anyio.sleep(LOOK_SECONDS / 4)

    async def _heed_signals(self) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            async for number in signals:
                logger.info("%s: stopping%s", signal.Signals(number).name, " at once" if self._stops else "")
                self.stop()


def first_of(group: BaseExceptionGroup[PgflowError]) -> PgflowError:
    """Give the first error within nested groups."""
    first = group.exceptions[0]
    return first_of(first) if isinstance(first, BaseExceptionGroup) else first
