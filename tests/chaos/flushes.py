"""How a flush meets others who have its leases, whichever statement it is stored by."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

import psycopg
import pytest

from chaos.sessions import Db, another, wait_for_waiting
from moves import claim, ended, put

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgflow.model import Claimed, Outcome
    from pgflow.store.pool import Pool

T = TypeVar("T")


def waits_for_a_lease(
    pool: Pool, db: Db, url: str, store: Callable[[Pool, Sequence[Outcome]], set[tuple[str, int]]]
) -> None:
    """See that a flush waits for whoever has its lease, has written nothing meanwhile, and drops what came too late."""
    [job_id] = put(pool)
    [job] = claim(pool)
    with ThreadPoolExecutor(1) as threads, another(url) as reaper:
        reaper.execute("select from pgflow.leases for update")
        flushing = threads.submit(store, pool, [ended(job)])
        wait_for_waiting(db)
        # under the deadlock timeout: who writes here first has to be who has the lease
        reaper.execute("set local lock_timeout = '300ms'")
        reaper.execute(
            "insert into pgflow.attempts (job_id, attempt, outcome, finished_at) values (%s, 1, 'lost', now())",
            [job_id],
        )
        reaper.execute("delete from pgflow.leases")
        reaper.commit()
        assert flushing.result(10) == {(job_id, 1)}


def locks_leases_in_order(pool: Pool, db: Db, url: str, flush: Callable[[Pool, Sequence[Claimed]], T]) -> T:
    """See that a flush which waits for its last lease has locked the first, whatever their order; gives its answer."""
    put(pool, 2)
    first, last = sorted(claim(pool, 1) + claim(pool, 1), key=lambda job: job.lease_id)
    with ThreadPoolExecutor(1) as threads, another(url) as other:
        other.execute("select from pgflow.leases where id = %s for update", [last.lease_id])
        flushing = threads.submit(flush, pool, [last, first])
        wait_for_waiting(db)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            db.execute("select from pgflow.leases where id = %s for update nowait", [first.lease_id])
        other.rollback()
        return flushing.result(10)
