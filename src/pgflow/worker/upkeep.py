"""Upkeep that correctness rests on: heartbeat, reaping, promotion, buckets, and the doorbell's ear."""

from __future__ import annotations

import contextlib
import json
import logging
import random
import time
from typing import TYPE_CHECKING, Any, Final

import anyio

from pgflow.hooks import LostJob, WorkerStats
from pgflow.store import buckets
from pgflow.store import jobs as sql
from pgflow.store.faults import FAULTS
from pgflow.store.listen import Listener
from pgflow.version import __version__
from pgflow.worker.backoff import Backoff
from pgflow.worker.judge import cancelled
from pgflow.worker.maintenance import maintain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pgflow.store.pool import Pool
    from pgflow.worker.bell import Bell
    from pgflow.worker.claimer import Claimer
    from pgflow.worker.crew import Crew
    from pgflow.worker.floor import Floor
    from pgflow.worker.hands import Hands
    from pgflow.worker.options import WorkerOptions

logger = logging.getLogger("pgflow.worker")

LONG_RUNNING_SHOWN: Final = 20
PROMOTED_AT_ONCE: Final = 1_000
SHORTEST_SECONDS: Final = 0.002
DEAF_SECONDS: Final = 60.0
STEADY_SECONDS: Final = 60.0
"""A doorbell's connection that stood for longer is no part of a burst."""


async def keep_doing(what: str, round_of_it: Callable[[], Awaitable[float]], bell: Bell | None = None) -> None:
    """Do rounds for ever, each saying for how long to sleep; an error is told and tried again, never the end.

    The bell, where there is one, cuts a sleep short.
    """
    backoff = Backoff()
    while True:
        try:
            pause = await round_of_it()
            backoff.reset()
        except (*FAULTS, OSError) as error:
            if not backoff.tries:
                logger.warning("%s: %s; trying again", what, error)
            pause = backoff.seconds()
        if bell is None:
            await anyio.sleep(pause)
        else:
            await bell.wait(pause)


class Heartbeat:
    """Holds on to the leases, hears of cancellations, and keeps the worker's row; on a connection of its own."""

    def __init__(self, pool: Pool, options: WorkerOptions, floor: Floor, hands: Hands, crew: Crew) -> None:
        self._pool = pool
        self._options = options
        self._floor = floor
        self._hands = hands
        self._crew = crew
        info = crew.info
        self._about = {
            "pid": info.pid,
            "host": info.host,
            "version": __version__,
            "backend": info.backend,
            "queues": list(info.queues),
            "tasks": list(info.tasks),
        }
        self.worker_id = options.worker_id
        self.stopping = False

    async def beat(self) -> float:
        """Beat once."""
        leases = list(self._hands.leases)
        if leases:
            await self._hold(leases)
        await self._pool.arun(sql.beat(self.worker_id, self._status()))
        self._tell()
        return self._options.beat_seconds

    def _tell(self) -> None:
        hands, floor = self._hands, self._floor
        backlog = sum(len(lane.backlog) for lane in floor.lanes.values())
        stats = WorkerStats(floor.slots, floor.running, backlog, len(hands.leases), len(hands.done), self.stopping)
        self._crew.hooks.heartbeat(self._crew.info, stats)

    async def leave(self) -> None:
        """Take the worker's row away, where the database answers."""
        with contextlib.suppress(*FAULTS):
            await self._pool.arun(sql.leave(self.worker_id))

    async def _hold(self, leases: list[str]) -> None:
        worker = self.worker_id
        await self._pool.arun(sql.extend_leases(worker, leases, self._options.lease_seconds))
        standing = await self._pool.arun(sql.standing_leases(worker, leases))
        for lease in leases:
            if lease not in standing and lease in self._hands.leases:
                self._lost(lease)
        unwanted = {job_id for ids in standing.values() for job_id in ids}
        for run in [run for run in list(self._hands.open) if run.job.job_id in unwanted] if unwanted else ():
            logger.info("job %s is cancelled", run.job.job_id)
            run.lane.stop(run, cancelled)  # type: ignore[union-attr]

    def _lost(self, lease: str) -> None:
        runs = self._hands.drop_lease(lease)
        if runs:
            logger.warning("lease %s was taken away: %d runs of it are stopped", lease, len(runs))
        for run in runs:
            run.lane.stop(run, cancelled)  # type: ignore[union-attr]
        self._floor.left(run.job for run in runs)

    def _status(self) -> dict[str, Any]:
        now = time.monotonic()
        long_running = sorted(
            (run for run in list(self._hands.open) if run.started and now - run.started > self._options.beat_seconds),
            key=lambda run: run.started,
        )[:LONG_RUNNING_SHOWN]
        shown = [
            {"job_id": r.job.job_id, "task": r.task.name, "seconds": round(now - r.started, 3)} for r in long_running
        ]
        return {
            **self._about,
            "slots": self._floor.slots,
            "running": self._floor.running,
            "stopping": self.stopping,
            "busy": 0.0,
            "long_running": json.dumps(shown),
        }


class Upkeep:
    """What any worker does for all: whoever comes first, by `skip locked`."""

    def __init__(self, pool: Pool, options: WorkerOptions, claimer: Claimer, crew: Crew) -> None:
        self._pool = pool
        self._options = options
        self._claimer = claimer
        self._crew = crew
        self._ear = Backoff()
        self._is_deaf = False
        self._poll_seconds = options.poll_seconds

    async def reap(self) -> float:
        """Take back lapsed leases."""
        rows = await self._pool.arun(sql.reap())
        if rows:
            workers = ", ".join(sorted({str(row[5]) for row in rows}))
            logger.warning("took back %d jobs from %s, whose lease had lapsed", len(rows), workers)
            self._crew.hooks.jobs_lost(self._crew.info, [LostJob._make(row) for row in rows])
        return SHORTEST_SECONDS if rows else self._options.reap_seconds

    async def promote(self) -> float:
        """Move what is due to ready."""
        moved, seconds = await self._pool.arun(sql.promote())
        if moved:
            self._claimer.woken(None)
        if moved >= PROMOTED_AT_ONCE:
            return SHORTEST_SECONDS
        wait = self._options.poll_seconds if seconds is None else min(seconds, self._options.poll_seconds)
        return max(wait, SHORTEST_SECONDS)

    async def make_buckets(self) -> float:
        """Make buckets ahead of need."""
        await self._pool.arun_call(lambda: buckets.ensure(self._pool, self._options.dataset_bucket))
        return self._options.maintenance_seconds

    async def maintain(self) -> float:
        """Let plugins tidy up, where it is this worker's turn."""
        seconds = self._options.maintenance_seconds
        if self._crew.hooks.has("pgflow_maintenance"):
            await self._pool.arun_call(lambda: maintain(self._crew, self._pool, seconds))
        return seconds

    async def listen(self) -> float:
        """Hear the doorbell until its connection breaks; polling goes on all the same."""
        began = time.monotonic()
        async with Listener(self._pool.dsn) as listener:
            if not listener.hears:
                return self._deaf()
            self._is_deaf = False
            self._claimer.woken(None)
            async for queue in listener:
                self._claimer.woken(queue)
        if time.monotonic() - began > STEADY_SECONDS:
            self._ear.reset()
        if not self._ear.tries:
            logger.info("the doorbell's connection was lost; polling each %g s until it is back", self._poll_seconds)
        return self._ear.seconds()

    def _deaf(self) -> float:
        if not self._is_deaf:
            self._is_deaf = True
            logger.warning(
                "no doorbell: a notification did not come back, as behind a pooler that hands sessions on; "
                "polling each %g s",
                self._poll_seconds,
            )
        return DEAF_SECONDS * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, keeps no secret
