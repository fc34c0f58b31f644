"""What sessions that meet ask of the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from moves import put
from pgflow.store import claims
from pgflow.store import jobs as sql

if TYPE_CHECKING:
    from chaos.sessions import Db
    from pgflow.model import Outcome
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Statement


def claiming(most: int = 10, worker: str = "w2") -> Statement[claims.Claim]:
    """Claim from one queue."""
    names = [claims.new_lease_id() for _ in range(3)]
    return claims.claim("default", worker, names[0], names[1:], most, 60, mark=claims.HEAD, suspects=True)


def due(pool: Pool, db: Db, count: int = 1) -> list[str]:
    """Enqueue jobs that are put off, and wait until they are due."""
    put_off = put(pool, count, delay=0.001)
    db.execute("select pg_sleep(0.002)")
    return put_off


def finishing(*outcomes: Outcome) -> Statement[set[tuple[str, int]]]:
    """Acknowledge outcomes, with which their leases are over."""
    return sql.finish(outcomes, list({o.job.lease_id for o in outcomes}), time.monotonic())


def ids(claimed: claims.Claim) -> list[str]:
    """The jobs that a claim brought."""
    return [job.job_id for job in claimed.jobs]
