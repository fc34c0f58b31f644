"""Maintenance: one worker at a time tidies up, and plugins say what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.store import buckets, forget, turns

if TYPE_CHECKING:
    from datetime import datetime

    from pgflow.hooks import WorkerInfo
    from pgflow.store.pool import Pool
    from pgflow.views import Bucket
    from pgflow.worker.crew import Crew

TURN: Final = "maintenance"
HELD_SECONDS: Final = 600.0
"""How long a worker that dies in its turn keeps the others from theirs."""


def maintain(crew: Crew, pool: Pool, seconds: float) -> bool:
    """Do a round where it is this worker's turn, which comes each `seconds` over all workers; False where it is not."""
    worker = crew.info.id
    if not pool.run(turns.take(TURN, worker, HELD_SECONDS)):
        return False
    try:
        crew.hooks.maintenance(Maintenance(crew.app, crew.info, pool))
    finally:
        pool.run(turns.hold(TURN, worker, seconds))
    return True


class Maintenance:
    """One round of maintenance, as `pgflow_maintenance` is given it.

    What it offers gives up rather than hold anyone up: a bucket is left for the next round where a lock would have
    to be waited for, rows are deleted a thousand at a time.
    """

    def __init__(self, app: Any, worker: WorkerInfo, pool: Pool) -> None:
        self.app = app
        self.worker = worker
        self.db = pool

    def goes_on(self) -> bool:
        """Keep the turn for ten minutes more; False where it was lost, and this round should end."""
        return self.db.run(turns.hold(TURN, self.worker.id, HELD_SECONDS))

    def now(self) -> datetime:
        """The database's time."""
        return self.db.run(forget.now())

    def buckets(self) -> list[Bucket]:
        """The buckets in use, oldest first, the default partition last."""
        return self.db.run(buckets.listing())

    def archived(self) -> list[str]:
        """The names of buckets that were archived: detached, and kept as tables of their own."""
        return self.db.run(buckets.archived())

    def archive_bucket(self, name: str) -> int | None:
        """Detach a bucket and keep its tables; gives how many jobs were put back, None where it was busy."""
        return buckets.remove(self.db, name, drop=False)

    def drop_bucket(self, name: str) -> int | None:
        """Drop a bucket, archived or in use; gives how many jobs were put back, None where it was busy."""
        return buckets.drop(self.db, name)

    def forget(self, what: str, seconds: float) -> int:
        """Delete what is older than `seconds` of one kind of record; gives how many rows went.

        The kinds are those of `pgflow.store.forget.KINDS`: stats, decisions, rates, workers, keys, cancellations,
        dead_letters (open ones), closed_letters, default (ended jobs of the default partition). Raises `ValueError`
        for another.
        """
        return forget.forget(self.db, what, seconds, goes_on=self.goes_on)

    def due(self, what: str, seconds: float) -> int:
        """Count what `forget` would delete now, up to 100,000 rows, and change nothing. Raises `ValueError`."""
        return forget.due(self.db, what, seconds)
