"""How a worker ends: what runs may finish, the rest goes back, and nothing holds the end up."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING, Final

import anyio

from pgflow.worker import run as runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pgflow.store.pool import Pool
    from pgflow.worker.worker import Worker

logger = logging.getLogger("pgflow.worker")

LOOK_SECONDS: Final = 0.01
UNWIND_SECONDS: Final = 0.4
AGAIN_SECONDS: Final = 0.3
LAST_SECONDS: Final = 1.5
"""From the end of the grace time to that of the worker: unwinding, the last flush and the farewell together."""


class Rescue:
    """Shuts pools down after a while: a thread that waits for a lost database cannot be cancelled.

    It does so again and again until disarmed: what is repeatable is sent once more, on a new connection.
    """

    def __init__(self, pools: Iterable[Pool]) -> None:
        self._pools = tuple(pools)
        self._disarmed = threading.Event()

    def arm(self, seconds: float) -> None:
        """Shut the pools down in `seconds`."""
        for pool in self._pools:
            threading.Thread(target=self._free, args=(pool, seconds), name="pgflow-rescue", daemon=True).start()

    def disarm(self) -> None:
        """Let the pools be."""
        self._disarmed.set()

    def _free(self, pool: Pool, seconds: float) -> None:
        while not self._disarmed.wait(seconds):
            pool.abort()
            seconds = AGAIN_SECONDS


async def shut_down(worker: Worker, grace_seconds: float, rescue: Rescue) -> int:
    """Stop claiming, hand back, wait, interrupt and store; gives how many outcomes could not be stored."""
    hands, floor = worker.hands, worker.floor
    worker.claimer.stopping = worker.heartbeat.stopping = True
    worker.claimer.woken(None)
    floor.release_unstarted()
    if hands.open:
        logger.info("stopping: %d jobs run, %g s for them to finish", len(hands.open), grace_seconds)
    await _until(lambda: not hands.open or worker.stops_at_once, grace_seconds)
    rescue.arm(LAST_SECONDS)
    end = time.monotonic() + LAST_SECONDS
    floor.stop_all()
    await _until(lambda: not hands.open, UNWIND_SECONDS)
    for run in list(hands.open):
        hands.settle(run, runs.shut_down(run))
    # a claim under way may still bring jobs, which go back at once
    await _until(lambda: worker.claimer.ended and hands.empty, end - time.monotonic())
    unstored = sum(hands.leases.values()) or len(hands.done)
    if unstored:
        logger.warning("stopped with %d outcomes not stored: their leases will lapse", unstored)
    elif time.monotonic() < end:
        await worker.heartbeat.leave()
    floor.close()
    return unstored


async def _until(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        await anyio.sleep(LOOK_SECONDS)
