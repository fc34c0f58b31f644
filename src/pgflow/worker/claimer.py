"""Claims: which queue is next, how much fits, and what becomes of what came."""

from __future__ import annotations

import logging
import time
from functools import cache, partial
from typing import TYPE_CHECKING, Final

from pgflow.store import claims
from pgflow.store import jobs as sql
from pgflow.store.faults import FAULTS
from pgflow.store.limited import Brought
from pgflow.worker.backoff import Backoff
from pgflow.worker.limits import Limits
from pgflow.worker.rota import Room, Rota, Turn
from pgflow.worker.run import released_at_stop, unknown_task

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from pgflow.hooks import Claim
    from pgflow.model import Claimed
    from pgflow.store.pool import Pool
    from pgflow.worker.bell import Bell
    from pgflow.worker.crew import Crew
    from pgflow.worker.due import Due
    from pgflow.worker.floor import Floor
    from pgflow.worker.options import WorkerOptions
    from pgflow.worker.pulse import Pulse
    from pgflow.worker.rota import QueueState

logger = logging.getLogger("pgflow.worker")

BATCH_BYTES_MAX: Final = 16_000_000
LONE_MAX: Final = 64
PROMISE_FROM_JOBS: Final = 100
PROMISE_SECONDS: Final = 3.0
PROMISE_POLL_SECONDS: Final = 0.02


class Claimer:
    """Keeps the lanes fed: one statement claims from the queues whose turn it is."""

    def __init__(
        self, pool: Pool, options: WorkerOptions, floor: Floor, bell: Bell, crew: Crew, pulse: Pulse, due: Due
    ) -> None:
        self._pool = pool
        self._due = due
        self._pulse = pulse
        self._crew = crew
        self._tells = crew.hooks.has("pgflow_jobs_claimed")
        self._limits = Limits(pool, crew)
        self._options = options
        self._floor = floor
        self._bell = bell
        self._rota = Rota(options.queues)
        self._looks = True
        self._seen: frozenset[str] = frozenset()
        self._bytes_each = 200.0
        self._in_doubt: list[str] = []
        self._promised_until = 0.0
        self.stopping = False
        self.ended = False
        self.found_nothing = False
        self._polled_at = time.monotonic()

    def woken(self, queue: str | None) -> None:
        """Look at a queue again soon, or at every one, of which one statement then says who has work."""
        if queue is None and len(self._rota) > 1:
            self._looks = True
        else:
            state = next(iter(self._rota)) if queue is None else self._rota.get(queue)
            if state is None or state.name in self._limits:
                return
            state.hot = True
            state.wakes += 1
        self.found_nothing = False
        self._bell.ring()

    def leases_ended(self, queues: Collection[str]) -> None:
        """Hear that jobs of these queues have ended that were leased alone: others may have waited for that."""
        if not queues:
            return
        for name in {*queues, *(state.name for state in self._rota if state.lacks_leases)}:
            self.woken(name)

    def eased(self, queues: Iterable[str]) -> None:
        """Hear that jobs of these queues have ended and are stored: a queue at its limit may have room again."""
        for name in self._limits.eased(queues):
            self.woken(name)

    async def claim_for_ever(self) -> None:
        """Claim while there is room and work; sleep until rung, or for the poll interval."""
        try:
            await self._claim_until_stopped()
        finally:
            self.ended = True

    async def _claim_until_stopped(self) -> None:
        backoff = Backoff()
        while not self.stopping or self._in_doubt:
            try:
                if self._in_doubt:
                    await self._recover()
                if not self.stopping and not await self._claim_round():
                    await self._rest()
                backoff.reset()
                self._pulse.went_round()
            except FAULTS as error:
                self._pulse.claim_error = str(error)
                if not backoff.tries:
                    logger.warning("cannot claim: %s; trying again", error)
                await self._bell.wait(backoff.seconds())

    async def _claim_round(self) -> bool:
        up, room = self._rota.up(self._rooms())
        if not up:
            return False
        if self._limits.judges:
            judged = {state: self._judged(state, own) for state, own in up.items()}
            first = next(iter(judged))
            if first.limited:
                await self._claim_within(first, judged[first])
                return True
            up = {state: asked.limit for state, asked in judged.items() if not state.limited}
        await self._claim([Turn(state, own, state.wakes) for state, own in up.items()], room)
        return True

    def _judged(self, state: QueueState, room: int) -> Claim:
        asked = self._limits.judged(state.name, room)
        state.limited = asked.limit <= 0 or asked.max_in_flight is not None or asked.rate is not None
        return asked

    async def _rest(self) -> None:
        if self._looks:
            await self._poll()
            return
        self.found_nothing = not (any(state.hot for state in self._rota) or self._limits.hold_work)
        now = time.monotonic()
        interval = PROMISE_POLL_SECONDS if now < self._promised_until else self._options.poll_seconds
        # the bell may ring all the time, for room made by what ends: the poll comes when it is due all the same
        due = self._polled_at + interval
        until = min(due, self._limits.soonest()) if self._limits else due
        if (until > now and await self._bell.wait(until - now)) or self.stopping:
            return
        if self._limits:
            self._rota.heat(self._limits.over())
        if time.monotonic() >= due:
            await self._poll()

    async def _poll(self) -> None:
        self._polled_at = time.monotonic()
        self._looks = False
        looked_at = [state.name for state in self._rota if not state.hot and state.name not in self._limits]
        if not looked_at:
            return
        waiting, seconds = await self._pool.arun(sql.waiting_queues(looked_at))
        self._pulse.claimed()
        self._due.told(seconds)
        self._rota.heat(waiting)

    async def _claim_within(self, state: QueueState, asked: Claim) -> None:
        turn = Turn(state, asked.limit, state.wakes)
        if asked.limit > 0:
            await self._claim([turn], asked.limit, asked)
            return
        self._rota.took_turns([state])
        state.hot = not await self._limits.pause(asked) and state.wakes != turn.wakes

    async def _claim(self, turns: Sequence[Turn], room: int, asked: Claim | None = None) -> None:
        first = turns[0].state
        leases = claims.new_lease_ids(len(turns) + 1 + min(LONE_MAX, self._free(first)))
        lone = leases[len(turns) :]
        start = first.reader.start(time.monotonic()) if len(turns) == 1 else claims.HEAD
        try:
            if len(turns) > 1:
                found = await self._claimed_in_turn(turns, leases, lone, room)
            else:
                found = await self._claimed(turns[0], leases[0], lone, start, asked)
        except FAULTS as error:
            if getattr(error, "in_doubt", True):
                self._in_doubt = leases
            raise
        self._pulse.claimed()
        self._rota.told(turns, room, start, found, lacks_leases=_alone(found, leases) >= len(lone) - 1)
        await self._take(await self._looked_up(found.jobs, leases))
        if found.jobs:
            self._learn(turns, found)
            await self._promise(len(found.jobs), time.monotonic())

    async def _claimed(
        self, turn: Turn, lease: str, lone: list[str], start: claims.Mark, asked: Claim | None
    ) -> Brought:
        claiming = partial(
            claims.claim, turn.state.name, self._options.worker_id, lease, lone, seconds=self._options.lease_seconds,
            mark=start, suspects=self._wants_suspects,
        )  # fmt: skip
        if asked is not None:
            return await self._limits.claim(asked, claiming)
        began = time.monotonic()
        claim = await self._pool.arun(claiming(turn.most))
        return Brought([claim], claim.jobs, turn.most, time.monotonic() - began)

    async def _claimed_in_turn(self, turns: Sequence[Turn], leases: list[str], lone: list[str], room: int) -> Brought:
        asks = [claims.Ask(turn.state.name, lease, turn.most) for turn, lease in zip(turns, leases, strict=False)]
        statement = claims.claim_in_turn(
            asks, self._options.worker_id, lone, room, self._options.lease_seconds,
            suspects=self._wants_suspects,
        )  # fmt: skip
        began = time.monotonic()
        came = await self._pool.arun(statement)
        return Brought(came, [job for claim in came for job in claim.jobs], room, time.monotonic() - began)

    async def _take(self, jobs: list[Claimed]) -> None:
        self._floor.hands.hold(jobs)
        if self._tells and (real := [job for job in jobs if job.task is not None]):
            self._crew.hooks.jobs_claimed(self._crew.info, real)
        if self.stopping:
            for job in jobs:
                self._floor.hands.end(released_at_stop(job))
            return
        unknown = self._floor.take(jobs)
        if unknown:
            await self._put_off(unknown)

    async def _looked_up(self, jobs: list[Claimed], leases: list[str]) -> list[Claimed]:
        # a claim planned while a bucket was being attached may have looked past the job; a new statement does not
        if None not in [job.task for job in jobs]:
            return jobs
        return (await self._pool.arun(claims.recover(self._options.worker_id, leases))).jobs

    async def _put_off(self, jobs: list[Claimed]) -> None:
        limit = self._options.unknown_task_seconds
        old = [job.job_id for job in jobs if job.age >= limit and job.attempt > 1]
        seconds = await self._pool.arun(sql.unknown_since(old)) if old else {}
        for job in jobs:
            self._floor.hands.end(unknown_task(job, seconds.get(job.job_id, 0.0), limit))

    async def _recover(self) -> None:
        # a claim that still runs, or has yet to arrive, must not lease jobs to nobody behind the look
        await self._pool.arun(claims.void(self._in_doubt))
        jobs = (await self._pool.arun(claims.recover(self._options.worker_id, self._in_doubt))).jobs
        self._in_doubt = []
        if jobs:
            logger.info("took up %d jobs whose claim's answer was lost", len(jobs))
            await self._take(jobs)

    async def _promise(self, claimed: int, now: float) -> None:
        if claimed >= PROMISE_FROM_JOBS and now > self._promised_until - PROMISE_SECONDS / 2:
            await self._pool.arun(sql.promise(self._options.worker_id, PROMISE_SECONDS))
            self._promised_until = now + PROMISE_SECONDS

    @property
    def _wants_suspects(self) -> bool:
        return not self._floor.hands.suspects

    def _rooms(self) -> Callable[[QueueState], Room]:
        # room for the queues as things are now; those that feed the same executors have the same
        room_in, seen, everywhere = cache(self._room_in), self._seen, frozenset(self._floor.executors)

        def room(state: QueueState) -> Room:
            if state.executors:
                own = room_in(state.executors)
                return Room(own, own)
            # not read yet: it may feed any executor, but is taken to be like the others
            own = room_in(everywhere)
            return Room(own, max(own, room_in(seen)) if seen else own)

        return room

    def _room_in(self, executors: Collection[str]) -> int:
        batch = self._options.batch
        lanes = [self._floor.lanes[name] for name in executors]
        spare = 0 if len(lanes) == 1 else 1
        # where kinds are mixed, a full lane may queue as many again before it holds up the others
        room = min(lane.room(batch) + spare * len(lane.slots) for lane in lanes)
        most = max(lane.room(batch) for lane in lanes)
        return min(room, most, batch, max(1, int(BATCH_BYTES_MAX / self._bytes_each)))

    def _free(self, state: QueueState) -> int:
        return min(self._floor.lanes[name].free for name in state.executors or self._floor.executors)

    def _learn(self, turns: Sequence[Turn], found: Brought) -> None:
        jobs = found.jobs
        size = sum([len(job.args or "") + len(job.kwargs or "") for job in jobs]) / len(jobs)
        self._bytes_each = max(size, 0.7 * self._bytes_each + 0.3 * size, 1.0)
        for turn, claim in zip(turns, found.claims, strict=True):
            known = (self._floor.tasks.get(name or "") for name in {job.task for job in claim.jobs})
            seen = frozenset(task.declared.executor for task in known if task is not None)
            turn.state.executors = seen or turn.state.executors
            self._seen |= seen


def _alone(found: Brought, leases: Sequence[str]) -> int:
    # how many came in leases of their own
    in_batches = (
        [job.lease_id for job in claim.jobs].count(lease) for claim, lease in zip(found.claims, leases, strict=False)
    )
    return len(found.jobs) - sum(in_batches)
