"""The floor: the product's own claim and finish in a bare loop, without runners, hooks, deadlines or an event loop.

One thread claims on one connection while another acknowledges on a second one.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Final

from pgflow.bench.tasks import QUEUE
from pgflow.model import Outcome, OutcomeKind
from pgflow.store import claims, flush

if TYPE_CHECKING:
    from pgflow.model import Claimed
    from pgflow.store.pool import Pool

WORKER: Final = "floor"
BATCH: Final = 512
FLUSH_MOST: Final = 2_000
AHEAD_BATCHES: Final = 4
LEASE_SECONDS: Final = 600.0


def drain(pool: Pool, jobs: int, batch: int = BATCH) -> None:
    """Claim `jobs` jobs, a batch at a time, and acknowledge them; they have to be there."""
    batches: queue.Queue[list[Claimed]] = queue.Queue(AHEAD_BATCHES)
    errors: list[Exception] = []

    def claim_all() -> None:
        left = jobs
        try:
            while left > 0:
                claimed = _claim(pool, min(batch, left))
                left -= len(claimed)
                batches.put(claimed)
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits for the jobs
            errors.append(error)
            batches.put([])

    thread = threading.Thread(target=claim_all, name="pgflow-floor", daemon=True)
    thread.start()
    left = jobs
    while left > 0:
        taken = _gathered(batches, batch)
        if errors:
            raise errors[0]
        _finish(pool, taken)
        left -= len(taken)
    thread.join()


def claim_only(pool: Pool, jobs: int, batch: int) -> None:
    """Claim `jobs` jobs, and leave them in their leases."""
    left = jobs
    while left > 0:
        left -= len(_claim(pool, min(batch, left)))


def _claim(pool: Pool, most: int) -> list[Claimed]:
    lease = claims.new_lease_id()
    statement = claims.claim(QUEUE, WORKER, lease, [], most, LEASE_SECONDS, mark=claims.HEAD, suspects=False)
    claimed = pool.run(statement).jobs
    if not claimed:
        msg = f"the queue {QUEUE} ran empty before all was claimed"
        raise RuntimeError(msg)
    return claimed


def _gathered(batches: queue.Queue[list[Claimed]], batch: int) -> list[Claimed]:
    taken = list(batches.get())
    while len(taken) + batch <= FLUSH_MOST:
        try:
            taken += batches.get_nowait()
        except queue.Empty:
            break
    return taken


def _finish(pool: Pool, jobs: list[Claimed]) -> None:
    now = time.monotonic()
    leases = list(dict.fromkeys(job.lease_id for job in jobs))
    outcomes = [Outcome(job, OutcomeKind.SUCCEEDED, now, now, job.spent) for job in jobs]
    if not pool.run(flush.succeed(outcomes, leases, now)):
        msg = "a lease of the floor is gone: something else works its queue"
        raise RuntimeError(msg)
