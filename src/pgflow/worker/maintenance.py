"""Maintenance: one worker at a time tidies up, and plugins say what."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pgflow.store import buckets, forget, turns

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    with turn(pool, crew.info.id, again=seconds) as is_mine:
        if is_mine:
            crew.hooks.maintenance(Maintenance(crew.app, crew.info, pool))
    return is_mine


@contextmanager
def turn(pool: Pool, worker: str, *, again: float = 0.0, rest: float = 0.0) -> Iterator[bool]:
    """Take the turn at maintenance for the block, and let it come round `again` so many seconds behind it.

    Gives False where another has it. One that comes round within `rest` seconds is taken early.
    """
    if not pool.run(turns.take(TURN, worker, HELD_SECONDS, rest=rest)):
        yield False
        return
    try:
        yield True
    finally:
        pool.run(turns.hold(TURN, worker, again))


def whose_turn(pool: Pool) -> tuple[str, float] | None:
    """Say who has the turn, and for how many seconds more at most without a sign of life."""
    return pool.run(turns.whose(TURN))


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
