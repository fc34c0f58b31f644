"""Moves jobs through their lives with the store's own statements, as a worker would."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from pgflow.ids import IdMaker
from pgflow.model import Claimed, NewJob, Outcome, OutcomeKind
from pgflow.store import claims, jobs

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

IDS = IdMaker()


def enqueue(pool: Pool, count: int = 1, **fields: Any) -> list[str]:
    """Store jobs of queue q and task t, unless told otherwise."""
    given = {"queue": "q", "task": "t"} | fields
    return pool.run(jobs.enqueue([NewJob(id=IDS.make(), **given) for _ in range(count)]))


def one(pool: Pool, **fields: Any) -> str:
    """Store one job."""
    return enqueue(pool, **fields)[0]


def claim(pool: Pool, most: int = 1, queue: str = "q", worker: str = "w1", seconds: float = 60) -> list[Claimed]:
    """Take the head of a queue, a suspect among it."""
    lone = [claims.new_lease_id() for _ in range(4)]
    statement = claims.claim(queue, worker, claims.new_lease_id(), lone, most, seconds, mark=claims.HEAD, suspects=True)
    return pool.run(statement).jobs


def finish(pool: Pool, job: Claimed, kind: OutcomeKind, *, spent: int | None = None, **fields: Any) -> None:
    """End one claimed job's hand-over."""
    now = time.monotonic()
    outcome = Outcome(job, kind, now - 0.0002, now - 0.0001, job.spent if spent is None else spent, **fields)
    assert pool.run(jobs.finish([outcome], [job.lease_id], now)) == set()


def succeed(pool: Pool, **fields: Any) -> str:
    """Store a job and see it succeed."""
    job_id = one(pool, **fields)
    finish(pool, claim(pool)[0], OutcomeKind.SUCCEEDED)
    return job_id


def fail(pool: Pool, *, delay: float = 60, message: str = "boom", **fields: Any) -> str:
    """Store a job and see it fail once; it is tried again after `delay` seconds."""
    job_id = one(pool, **fields)
    job = claim(pool)[0]
    finish(pool, job, OutcomeKind.FAILED, spent=1, delay=delay, error_code="UNKNOWN", error_message=message)
    return job_id


def die(pool: Pool, *, message: str = "boom", reason: str = "NON_RETRYABLE", **fields: Any) -> str:
    """Store a job and see it give up."""
    job_id = one(pool, **fields)
    job = claim(pool, queue=fields.get("queue", "q"))[0]
    died = {"error_code": "UNKNOWN", "error_message": message, "reason_code": reason}
    finish(pool, job, OutcomeKind.DEAD, spent=1, **died)
    return job_id


def lapse(pool: Pool) -> None:
    """Let every lease lapse, and reap."""
    with pool.connection() as conn:
        conn.execute("update pgflow.leases set expires_at = clock_timestamp() - interval '1 s'")
    pool.run(jobs.reap())


def recount_differs(pool: Pool) -> list[Any]:
    """Where the stats differ from a recount of the attempts."""
    with pool.connection() as conn:
        return conn.execute("""
          select * from (select outcome::text, sum(count)::bigint as n from pgflow.stats group by 1) as s
          full join (select outcome::text, count(*) as n from pgflow.attempts group by 1) as a using (outcome)
          where s.n is distinct from a.n""").fetchall()
