"""The worker: wires claiming, running and acknowledging together, and ends them in order."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

import anyio

from pgflow.errors import PgflowError
from pgflow.store import buckets, migrate
from pgflow.store import jobs as sql
from pgflow.store.faults import FAULTS
from pgflow.store.pool import Pool
from pgflow.worker.backoff import Backoff
from pgflow.worker.bell import Bell
from pgflow.worker.claimer import Claimer
from pgflow.worker.crew import Crew, worker_info
from pgflow.worker.deadlines import Deadlines
from pgflow.worker.due import Due
from pgflow.worker.ending import Rescue, shut_down
from pgflow.worker.floor import Floor
from pgflow.worker.flusher import Flusher
from pgflow.worker.hands import Hands
from pgflow.worker.heart import Heartbeat
from pgflow.worker.lifespans import lifespans
from pgflow.worker.patience import Patience
from pgflow.worker.pulse import Pulse
from pgflow.worker.upkeep import Upkeep, keep_doing
from pgflow.worker.vigil import Vigil

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Awaitable, Callable, Mapping

    from anyio.abc import TaskGroup

    from pgflow.hooks import Hooks
    from pgflow.model import Outcome
    from pgflow.task import Task
    from pgflow.worker.options import WorkerOptions

logger = logging.getLogger("pgflow.worker")

LOOK_LEFT_SECONDS: Final = 0.05


class Worker:
    """Works some queues of a database until stopped, or in a burst until nothing is left."""

    def __init__(
        self, pool: Pool, tasks: Mapping[str, Task[..., object]], options: WorkerOptions, app: Any, hooks: Hooks
    ) -> None:
        self._pool = pool
        self._app = app
        self._hooks = hooks
        third = options.lease_seconds / 3
        self._beat_pool = pool.beside(size=1, acquire_seconds=third, answer_seconds=max(2.0, third))
        self._tasks = tasks
        self._options = options
        self._stops = 0
        self._stopped: Bell | None = None
        self._broken: BaseException | None = None
        self.pulse = Pulse(options.poll_seconds)
        self.started = self.ended = self._is_wired = False
        self.unstored = 0
        self.last_resort: Callable[[float, int], None] | None = None
        """Ends this process for certain, within so many seconds and with this exit code, where it is ours to end."""

    async def run(self) -> Counter[str]:
        """Work until stopped; gives how many attempts ended how. `unstored` then says how many outcomes were lost.

        Raises `SchemaMismatchError` or `DatabaseUnavailableError` where it cannot start, and the latter too where it
        could not claim or store for `claim_timeout_seconds`.
        """
        rescue = Rescue((self._pool, self._beat_pool))
        try:
            await self._pool.arun_call(self._prepare)
            self._wire()
            async with lifespans(self._hooks, self._app, "worker"), anyio.create_task_group() as group:
                await self._start(group)
                await self._until_stopped()
                self.unstored = await shut_down(self, self._options.grace_seconds, rescue)
                group.cancel_scope.cancel()
        except BaseExceptionGroup as group_of_errors:
            # what stops a worker is told by itself; only what nobody foresaw keeps its group
            found = group_of_errors.subgroup(PgflowError)
            if found is None:
                raise
            raise _first_of(found) from None
        finally:
            self.ended = True
            rescue.disarm()
            self._close()
        if self._broken is not None:
            raise self._broken
        return self.flusher.counts

    def stop(self) -> None:
        """Stop gently, and at once where it is called again. From the event loop."""
        self._stops += 1
        if self._stopped is not None:
            self._stopped.ring()

    def give_up(self, error: BaseException) -> None:
        """Stop gently since this worker is no use any more; `run` raises the error behind it. From the event loop."""
        if self._broken is not None:
            return
        self._broken = error
        logger.error("giving up: %s", error, exc_info=None if isinstance(error, PgflowError) else error)
        if self.last_resort is not None:
            self.last_resort(self._options.grace_seconds, getattr(error, "exit_code", 1))
        self.stop()

    @property
    def stopping(self) -> bool:
        """True from when it was told to stop, or gave up."""
        return self._stops > 0

    @property
    def stops_at_once(self) -> bool:
        """True where it was told twice."""
        return self._stops > 1

    def _prepare(self) -> None:
        migrate.check(self._pool, migrate.of_plugins(self._hooks.migrations()))
        buckets.ensure(self._pool, self._options.dataset_bucket)

    def _wire(self) -> None:
        self._crew = Crew(self._app, self._hooks, worker_info(self._options, self._tasks))
        self._stopped = Bell()
        self._tells = self._hooks.has("pgflow_attempts_finished")
        flush_bell, claim_bell, self._due = Bell(), Bell(), Due(self._options.poll_seconds)
        self.hands = Hands(flush_bell.ring_from_thread)
        self._deadlines = Deadlines(self.hands, Bell())
        room_made = (claim_bell.ring, claim_bell.ring_from_thread)
        self.floor = Floor(self._tasks, self.hands, self._deadlines, self._options, room_made)
        self.claimer = Claimer(self._pool, self._options, self.floor, claim_bell, self._crew, self.pulse, self._due)
        self.flusher = Flusher(self._pool, self.hands, flush_bell, self._after_flush, self.pulse)
        self.heartbeat = Heartbeat(self._beat_pool, self._options, self.floor, self.hands, self._crew, self.pulse)
        self._vigil = Vigil(self._options, self.pulse, self.hands)
        self._patience = Patience(self.pulse, self.floor, self._options.claim_timeout_seconds, self.give_up)
        self._upkeep = Upkeep(self._pool, self._options, self.claimer, self._crew, self._due)
        self._is_wired = True

    async def _start(self, group: TaskGroup) -> None:
        self._vigil.ends = self._end_process if self.last_resort is not None else None
        # known before the first claim: an enqueue rings only where it sees a worker to wake
        await self.heartbeat.start()
        self._vigil.start()
        self.floor.start(group)
        for loop in (
            self._deadlines.tick_for_ever, self.flusher.flush_for_ever, self.claimer.claim_for_ever,
            self.heartbeat.heed_for_ever, self._patience.watch_for_ever,
        ):  # fmt: skip
            group.start_soon(self._vital, loop)
        group.start_soon(keep_doing, "reap", self._upkeep.reap, self.pulse)
        group.start_soon(keep_doing, "promote", self._upkeep.promote, self.pulse, self._due.bell)
        group.start_soon(keep_doing, "buckets", self._upkeep.make_buckets, self.pulse)
        group.start_soon(keep_doing, "maintenance", self._upkeep.maintain, self.pulse)
        group.start_soon(keep_doing, "listen", self._upkeep.listen, self.pulse)
        if self._options.burst:
            group.start_soon(self._vital, self._stop_when_done)
        self.started = True
        logger.info("worker %s takes %s", self._options.worker_id, ", ".join(self._options.queues))

    async def _vital(self, loop: Callable[[], Awaitable[None]]) -> None:
        # without it the worker would live and do nothing: then it ends, and in order
        try:
            await loop()
        except Exception as error:  # noqa: BLE001 - raised by `run` once the jobs are handed back
            self.give_up(error)

    def _end_process(self) -> None:
        if self.last_resort is not None:
            self.last_resort(0.0, 1)

    def _close(self) -> None:
        if self._is_wired:
            self._vigil.end()
            self.heartbeat.end()
        self._beat_pool.close()

    async def _until_stopped(self) -> None:
        while not self._stops and self._stopped is not None:
            await self._stopped.wait()

    def _after_flush(self, outcomes: list[Outcome], dropped: set[tuple[str, int]]) -> None:
        self.floor.ended(outcomes)
        self.claimer.eased(o.job.queue for o in outcomes)
        if self._tells:
            stored = [o for o in outcomes if (o.job.job_id, o.job.attempt) not in dropped] if dropped else outcomes
            self._crew.hooks.attempts_finished(self._crew.info, stored)
        # looked through once: most are neither
        special = [o for o in outcomes if o.delay is not None or o.job.max_attempts == 1 or o.job.suspect]
        if any(o.job.suspect for o in special):
            self.claimer.woken(None)
        self.claimer.leases_ended([o.job.queue for o in special if o.job.max_attempts == 1])
        if any(o.delay and o.delay < self._options.poll_seconds for o in special):
            self._due.soon()
        if self._options.verbose:
            for o in outcomes:
                logger.info("job %s %s attempt %d %s %.1f ms %s", o.job.job_id, o.job.task, o.job.attempt, o.kind,
                            1000 * (o.finished - o.started), o.error_code or "")  # fmt: skip

    async def _stop_when_done(self) -> None:
        backoff = Backoff()
        while True:
            await anyio.sleep(LOOK_LEFT_SECONDS if not backoff.tries else backoff.seconds())
            if not (self.claimer.found_nothing and self.hands.empty):
                continue
            try:
                ready, scheduled, leased = await self._pool.arun(sql.left_to_do(self._options.queues))
            except FAULTS as error:
                if not backoff.tries:
                    logger.warning("cannot see what is left to do: %s; trying again", error)
                    backoff.seconds()
                continue
            backoff.reset()
            if not ready and not (self._options.until_settled and (scheduled or leased)):
                self.stop()
                return
            self.claimer.woken(None)


def _first_of(group: BaseExceptionGroup[PgflowError]) -> PgflowError:
    first = group.exceptions[0]
    return _first_of(first) if isinstance(first, BaseExceptionGroup) else first
