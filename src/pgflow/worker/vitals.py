"""What a worker says of its health, from its own memory: no database is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.hooks import HealthCheck

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.worker.worker import Worker

BLOCKED_SECONDS: Final = 10.0


def vitals(worker: Worker) -> Iterator[HealthCheck]:
    """Give the checks of a worker that runs; those that block say that it does no work.

    `claims`: the last claim or poll that succeeded is a while back (10 s, or five polls). `outcomes`: what has ended
    has been waiting for so long to be stored. `event-loop`: a job has held it up for 10 s. `slots`: all are held by
    runs that were given up. `stopping`: it takes no more jobs. `upkeep`, which does not block: a part of it has been
    failing for a minute.
    """
    pulse = worker.pulse
    age, waiting, blocked = pulse.claim_age(), pulse.store_age(), pulse.loop_seconds
    stuck, troubles = worker.floor.stuck(), pulse.lasting_troubles()
    since = pulse.claim_error and f"; since then: {pulse.claim_error}"
    yield HealthCheck(
        "claims",
        ok=age <= pulse.stale_seconds,
        detail=f"the last claim or poll succeeded {age:.1f} s ago{since}",
        remedy="" if age <= pulse.stale_seconds else "look at the database, its locks, and what the worker has logged",
        blocks=True,
    )
    if waiting > pulse.stale_seconds:
        detail = f"outcomes have been waiting for {waiting:.1f} s to be stored: {pulse.store_error}"
        yield HealthCheck("outcomes", ok=False, detail=detail, remedy="look at the database and its locks", blocks=True)
    if blocked > BLOCKED_SECONDS:
        detail = f"the event loop has been blocked for {blocked:.1f} s: the log names the job"
        remedy = "make it a plain function, which runs in a thread, or await what it waits for"
        yield HealthCheck("event-loop", ok=False, detail=detail, remedy=remedy, blocks=True)
    if stuck:
        detail = f"every {stuck} slot is held by a run that was given up and does not end"
        yield HealthCheck("slots", ok=False, detail=detail, remedy="restart it; use executor='process'", blocks=True)
    if worker.stopping:
        yield HealthCheck("stopping", ok=False, detail="it is stopping and takes no more jobs", blocks=True)
    if troubles:
        yield HealthCheck("upkeep", ok=False, detail="; ".join(troubles), remedy="look at what the worker has logged")
