"""Claims: which queue is next, how much fits, and what becomes of what came."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from pgflow.store import jobs as sql
from pgflow.store.faults import FAULTS
from pgflow.worker.backoff import Backoff
from pgflow.worker.reader import Reader
from pgflow.worker.run import released_at_stop, unknown_task

if TYPE_CHECKING:
    from pgflow.model import Claimed
    from pgflow.store.pool import Pool
    from pgflow.worker.bell import Bell
    from pgflow.worker.floor import Floor
    from pgflow.worker.options import WorkerOptions

logger = logging.getLogger("pgflow.worker")

BATCH_BYTES_MAX: Final = 16_000_000
LONE_MAX: Final = 64
PROMISE_FROM_JOBS: Final = 100
PROMISE_SECONDS: Final = 3.0
PROMISE_POLL_SECONDS: Final = 0.02


class QueueState:
    """What a claimer knows of one queue: whether it has work, where it was read, and the executors it feeds."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.hot = True
        self.wakes = 0
        self.reader = Reader()
        self.executors: frozenset[str] = frozenset()


class Claimer:
    """Keeps the lanes fed, one statement a queue, the queues in turn."""

    def __init__(self, pool: Pool, options: WorkerOptions, floor: Floor, bell: Bell) -> None:
        self._pool = pool
        self._options = options
        self._floor = floor
        self._bell = bell
        self._queues = {name: QueueState(name) for name in options.queues}
        self._order = list(self._queues.values())
        self._bytes_each = 200.0
        self._in_doubt: list[str] = []
        self._promised_until = 0.0
        self.stopping = False
        self.ended = False
        self.found_nothing = False
        self._polled_at = time.monotonic()

    def woken(self, queue: str | None) -> None:
        """Look at a queue again soon, or at every one."""
        for state in self._order:
            if queue is None or state.name == queue:
                state.hot = True
                state.wakes += 1
                self.found_nothing = False
                self._bell.ring()

    async def claim_for_ever(self) -> None:
        """Claim while there is room and work; sleep until rung, or for the poll interval."""
        backoff = Backoff()
        while not self.stopping or self._in_doubt:
            try:
                if self._in_doubt:
                    await self._recover()
                if not self.stopping and not await self._claim_round():
                    await self._rest()
                backoff.reset()
            except FAULTS as error:
                if not backoff.tries:
                    logger.warning("cannot claim: %s; trying again", error)
                await self._bell.wait(backoff.seconds())
        self.ended = True

    async def _claim_round(self) -> bool:
        for state in list(self._order):
            if not state.hot:
                continue
            room = self._room(state)
            if room > 0:
                self._order.remove(state)
                self._order.append(state)
                await self._claim(state, room)
                return True
        return False

    async def _rest(self) -> None:
        self.found_nothing = not any(state.hot for state in self._order)
        now = time.monotonic()
        interval = PROMISE_POLL_SECONDS if now < self._promised_until else self._options.poll_seconds
        # the bell may ring all the time, for room made by what ends: the poll comes when it is due all the same
        left = self._polled_at + interval - now
        if (left > 0 and await self._bell.wait(left)) or self.stopping:
            return
        self._polled_at = time.monotonic()
        if len(self._order) == 1:
            self._order[0].hot = True
            return
        marks = {state.name: sql.HEAD for state in self._order if not state.hot}
        waiting = await self._pool.arun(sql.waiting_queues(marks)) if marks else []
        for name in waiting:
            self._queues[name].hot = True

    async def _claim(self, state: QueueState, most: int) -> None:
        lease = sql.new_lease_id()
        lone = [f"{lease[:-4]}{n:04x}" for n in range(1, 2 + min(LONE_MAX, self._free(state)))]
        began = time.monotonic()
        start, wakes = state.reader.start(began), state.wakes
        statement = sql.claim(
            state.name, self._options.worker_id, lease, lone, most, self._options.lease_seconds,
            mark=start, suspects=not self._floor.hands.suspects,
        )  # fmt: skip
        try:
            found = await self._pool.arun(statement)
        except FAULTS:
            self._in_doubt = [lease, *lone]
            raise
        jobs, mark = found
        now = time.monotonic()
        state.reader.note(start, now - began, len(jobs), mark, now)
        if len(jobs) < most:
            # past a mark there may be little: only the head says that a queue is empty, and only of the time before
            # the claim began
            state.reader.forget()
            state.hot = start is not sql.HEAD or state.wakes != wakes
        await self._take(await self._looked_up(jobs, [lease, *lone]))
        if jobs:
            self._learn(state, jobs)
            await self._promise(len(jobs), now)

    async def _take(self, jobs: list[Claimed]) -> None:
        self._floor.hands.hold(jobs)
        if self.stopping:
            for job in jobs:
                self._floor.hands.end(released_at_stop(job))
            return
        unknown = self._floor.take(jobs)
        if unknown:
            await self._put_off(unknown)

    async def _looked_up(self, jobs: list[Claimed], leases: list[str]) -> list[Claimed]:
        # a claim planned while a bucket was being attached may have looked past the job; a new statement does not
        if all(job.task is not None for job in jobs):
            return jobs
        return (await self._pool.arun(sql.recover(self._options.worker_id, leases))).jobs

    async def _put_off(self, jobs: list[Claimed]) -> None:
        limit = self._options.unknown_task_seconds
        old = [job.job_id for job in jobs if job.age >= limit and job.attempt > 1]
        seconds = await self._pool.arun(sql.unknown_since(old)) if old else {}
        for job in jobs:
            self._floor.hands.end(unknown_task(job, seconds.get(job.job_id, 0.0), limit))

    async def _recover(self) -> None:
        jobs = (await self._pool.arun(sql.recover(self._options.worker_id, self._in_doubt))).jobs
        self._in_doubt = []
        if jobs:
            logger.info("took up %d jobs whose claim's answer was lost", len(jobs))
            await self._take(jobs)

    async def _promise(self, claimed: int, now: float) -> None:
        if claimed >= PROMISE_FROM_JOBS and now > self._promised_until - PROMISE_SECONDS / 2:
            await self._pool.arun(sql.promise(self._options.worker_id, PROMISE_SECONDS))
            self._promised_until = now + PROMISE_SECONDS

    def _room(self, state: QueueState) -> int:
        batch = self._options.batch
        lanes = [self._floor.lanes[name] for name in state.executors or self._floor.executors]
        spare = 0 if len(lanes) == 1 else 1
        # where kinds are mixed, a full lane may queue as many again before it holds up the others
        room = min(lane.room(batch) + spare * len(lane.slots) for lane in lanes)
        most = max(lane.room(batch) for lane in lanes)
        return min(room, most, batch, max(1, int(BATCH_BYTES_MAX / self._bytes_each)))

    def _free(self, state: QueueState) -> int:
        return min(self._floor.lanes[name].free for name in state.executors or self._floor.executors)

    def _learn(self, state: QueueState, jobs: list[Claimed]) -> None:
        size = sum(len(job.args or "") + len(job.kwargs or "") for job in jobs) / len(jobs)
        self._bytes_each = max(size, 0.7 * self._bytes_each + 0.3 * size, 1.0)
        tasks = {job.task for job in jobs}
        known = (self._floor.tasks.get(name or "") for name in tasks)
        seen = frozenset(task.declared.executor for task in known if task is not None)
        state.executors = seen or state.executors
