"""Upkeep that correctness rests on: reaping, promotion, buckets, and the doorbell's ear."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

import anyio

from pgflow.hooks import LostJob
from pgflow.store import buckets
from pgflow.store import jobs as sql
from pgflow.store.faults import FAULTS
from pgflow.store.listen import Listener
from pgflow.worker.backoff import Backoff
from pgflow.worker.maintenance import maintain

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from pgflow.store.pool import Pool
    from pgflow.worker.bell import Bell
    from pgflow.worker.claimer import Claimer
    from pgflow.worker.crew import Crew
    from pgflow.worker.due import Due
    from pgflow.worker.options import WorkerOptions
    from pgflow.worker.pulse import Pulse

logger = logging.getLogger("pgflow.worker")

PROMOTED_AT_ONCE: Final = 1_000
SHORTEST_SECONDS: Final = 0.002
DEAF_FIRST_SECONDS: Final = 2.0
DEAF_MOST_SECONDS: Final = 60.0
STEADY_SECONDS: Final = 60.0
"""A doorbell's connection that stood for longer is no part of a burst."""


async def keep_doing(
    what: str, round_of_it: Callable[[], Awaitable[float]], pulse: Pulse, bell: Bell | None = None
) -> None:
    """Do rounds for ever, each saying for how long to sleep; an error is told and tried again, never the end.

    One that lasts a minute is a warning of `/health`. The bell, where there is one, cuts a sleep short.
    """
    backoff = Backoff()
    while True:
        try:
            pause = await round_of_it()
            backoff.reset()
            pulse.went_well(what)
        except (Exception, SystemExit) as error:
            # a plugin that calls sys.exit in its thread ends its round with it, not the worker
            pulse.failed(what, error)
            if not backoff.tries:
                known = isinstance(error, (*FAULTS, OSError))
                logger.warning("%s: %s; trying again", what, error, exc_info=None if known else error)
            pause = backoff.seconds()
        if bell is None:
            await anyio.sleep(pause)
        else:
            await bell.wait(pause)


class Upkeep:
    """What any worker does for all: whoever comes first, by `skip locked`."""

    def __init__(self, pool: Pool, options: WorkerOptions, claimer: Claimer, crew: Crew, due: Due) -> None:
        self._pool = pool
        self._options = options
        self._claimer = claimer
        self._crew = crew
        self._due = due
        self._ear = Backoff()
        self._deafness = Backoff(DEAF_FIRST_SECONDS, DEAF_MOST_SECONDS)
        self._poll_seconds = options.poll_seconds
        # of the store's four connections upkeep takes two at most: what is stuck here must not stop the work
        self._quick, self._slow = anyio.Lock(), anyio.Lock()

    async def reap(self) -> float:
        """Take back lapsed leases."""
        async with self._quick:
            rows = await self._pool.arun(sql.reap())
        if rows:
            workers = ", ".join(sorted({str(row[5]) for row in rows}))
            logger.warning("took back %d jobs from %s, whose lease had lapsed", len(rows), workers)
            self._crew.hooks.jobs_lost(self._crew.info, [LostJob._make(row) for row in rows])
        return SHORTEST_SECONDS if rows else self._options.reap_seconds

    async def promote(self) -> float:
        """Move what is due to ready, where the claimer has not just seen that nothing is."""
        if (spared := self._due.seconds()) > 0:
            return max(spared, SHORTEST_SECONDS)
        async with self._quick:
            moved, seconds = await self._pool.arun(sql.promote())
        if moved:
            self._claimer.woken(None)
        if moved >= PROMOTED_AT_ONCE:
            return SHORTEST_SECONDS
        wait = self._options.poll_seconds if seconds is None else min(seconds, self._options.poll_seconds)
        return max(wait, SHORTEST_SECONDS)

    async def make_buckets(self) -> float:
        """Make buckets ahead of need."""
        async with self._slow:
            await self._pool.arun_call(lambda: buckets.ensure(self._pool, self._options.dataset_bucket))
        return self._options.maintenance_seconds

    async def maintain(self) -> float:
        """Let plugins tidy up, where it is this worker's turn."""
        seconds = self._options.maintenance_seconds
        if self._crew.hooks.has("pgflow_maintenance"):
            async with self._slow:
                await self._pool.arun_call(lambda: maintain(self._crew, self._pool, seconds))
        return seconds

    async def listen(self) -> float:
        """Hear the doorbell until its connection breaks; polling goes on all the same."""
        began = time.monotonic()
        async with Listener(self._pool.dsn) as listener:
            if not listener.hears:
                return self._deaf()
            self._deafness.reset()
            self._claimer.woken(None)
            async for queue in listener:
                self._claimer.woken(queue)
        if time.monotonic() - began > STEADY_SECONDS:
            self._ear.reset()
        if not self._ear.tries:
            logger.info("the doorbell's connection was lost; polling each %g s until it is back", self._poll_seconds)
        return self._ear.seconds()

    def _deaf(self) -> float:
        # a silence of the network is heard as deafness too, so the first tries come soon
        if not self._deafness.tries:
            logger.warning(
                "no doorbell: a notification did not come back, as behind a pooler that hands sessions on; "
                "polling each %g s",
                self._poll_seconds,
            )
        return self._deafness.seconds()
