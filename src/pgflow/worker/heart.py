"""The heartbeat: holds on to the leases from a thread and a connection of its own, whatever the event loop does."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pgflow.hooks import WorkerStats
from pgflow.store import jobs as sql
from pgflow.store.faults import FAULTS
from pgflow.version import __version__
from pgflow.worker.backoff import Backoff
from pgflow.worker.bell import Bell
from pgflow.worker.judge import cancelled

if TYPE_CHECKING:
    from pgflow.store.pool import Pool
    from pgflow.worker.crew import Crew
    from pgflow.worker.floor import Floor
    from pgflow.worker.hands import Hands
    from pgflow.worker.options import WorkerOptions
    from pgflow.worker.pulse import Pulse

logger = logging.getLogger("pgflow.worker")

LONG_RUNNING_SHOWN: Final = 20
FAREWELL_SECONDS: Final = 1.0
ABANDON_SECONDS: Final = 0.2

Standing = dict[str, list[str]]


class Heartbeat:
    """Beats in a thread, and hands what it heard to the event loop: leases that are gone, and cancellations.

    It stops holding on where the pulse says so: a loop that never comes back must not keep its jobs for ever.
    """

    def __init__(
        self, pool: Pool, options: WorkerOptions, floor: Floor, hands: Hands, crew: Crew, pulse: Pulse
    ) -> None:
        self._pool = pool
        self._options = options
        self._floor = floor
        self._hands = hands
        self._crew = crew
        self._pulse = pulse
        info = crew.info
        self._about = {
            "pid": info.pid,
            "host": info.host,
            "version": __version__,
            "backend": info.backend,
            "queues": list(info.queues),
            "tasks": list(info.tasks),
        }
        self._heard: deque[tuple[list[str], Standing]] = deque()
        self._bell = Bell()
        self._over = threading.Event()
        self._is_abandoned = False
        self._thread = threading.Thread(target=self._beat_for_ever, name="pgflow-heartbeat", daemon=True)
        self.worker_id = options.worker_id
        self.stopping = False

    async def start(self) -> None:
        """Beat once, and then from the thread until told to leave. Raises what the database raises."""
        await self._pool.arun_call(self._beat)
        self._thread.start()

    async def heed_for_ever(self) -> None:
        """Do on the event loop what the heartbeats heard, and tell plugins of each."""
        while True:
            await self._bell.wait()
            while self._heard:
                self._heed(*self._heard.popleft())
            self._tell()

    async def leave(self) -> None:
        """Beat no more, and take the worker's row away, where the database answers."""
        with contextlib.suppress(*FAULTS):
            await self._pool.arun_call(self._say_farewell)

    def end(self) -> None:
        """Beat no more; a thread that still waits for the database is freed, or left behind to end by itself."""
        if not self._ended(ABANDON_SECONDS):
            self._is_abandoned = True
            self._pool.abort()
        self._pool.close()

    def _ended(self, seconds: float) -> bool:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def _say_farewell(self) -> None:
        # a beat behind it would bring the row back
        if self._ended(FAREWELL_SECONDS):
            self._pool.run(sql.leave(self.worker_id))

    def _beat_for_ever(self) -> None:
        backoff = Backoff()
        usual = pause = self._options.beat_seconds
        while not self._over.wait(pause):
            try:
                if not self._pulse.is_withheld:
                    self._beat()
                backoff.reset()
                pause = usual
            except Exception as error:
                if not backoff.tries:
                    known = isinstance(error, (*FAULTS, OSError))
                    logger.warning("heartbeat: %s; trying again", error, exc_info=None if known else error)
                pause = min(backoff.seconds(), usual)
        if self._is_abandoned:
            # its last statement may have opened the pool again
            self._pool.close()

    def _beat(self) -> None:
        leases = list(self._hands.leases)
        standing: Standing = {}
        if leases:
            self._pool.run(sql.extend_leases(self.worker_id, leases, self._options.lease_seconds))
            standing = self._pool.run(sql.standing_leases(self.worker_id, leases))
        self._pool.run(sql.beat(self.worker_id, self._status()))
        self._pulse.beaten()
        self._heard.append((leases, standing))
        self._bell.ring_from_thread()

    def _heed(self, leases: list[str], standing: Standing) -> None:
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

    def _tell(self) -> None:
        hands, floor = self._hands, self._floor
        backlog = sum(len(lane.backlog) for lane in floor.lanes.values())
        stats = WorkerStats(floor.slots, floor.running, backlog, len(hands.leases), len(hands.done), self.stopping)
        self._crew.hooks.heartbeat(self._crew.info, stats)

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
