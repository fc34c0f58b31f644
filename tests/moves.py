"""Moves of a job, as the tests make them: enqueue, claim, finish, on a real database."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import anyio

from pgflow.ids import IdMaker
from pgflow.model import Claimed, NewJob, Outcome, OutcomeKind
from pgflow.store import claims, flush
from pgflow.store import jobs as sql

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.store.pool import Pool
    from pgflow.store.statement import Statement

IDS = IdMaker()


def put(pool: Pool, count: int = 1, **fields: Any) -> list[str]:
    """Enqueue some jobs alike."""
    given = {"queue": "default", "task": "tests.task", **fields}
    return pool.run(sql.enqueue([NewJob(id=job_id, **given) for job_id in IDS.make_many(count)]))


def claim(
    pool: Pool,
    most: int = 100,
    *,
    queue: str = "default",
    worker: str = "w1",
    lone: int = 4,
    suspects: bool = True,
    seconds: float = 30,
    mark: claims.Mark = claims.HEAD,
) -> list[Claimed]:
    """Claim from one queue."""
    lease = claims.new_lease_id()
    leases = [f"{lease[:-4]}{n:04x}" for n in range(1, 2 + lone)]
    return pool.run(claims.claim(queue, worker, lease, leases, most, seconds, mark=mark, suspects=suspects)).jobs


def ended(job: Claimed, kind: OutcomeKind = OutcomeKind.SUCCEEDED, **fields: Any) -> Outcome:
    """An outcome of a run that took a millisecond."""
    now = time.monotonic()
    return Outcome(job, kind, now - 0.001, now, fields.pop("spent", job.spent), **fields)


def failed(job: Claimed, delay: float = 0.0) -> Outcome:
    """An outcome that comes back after a delay."""
    return ended(job, OutcomeKind.FAILED, spent=job.spent + 1, delay=delay, error_code="UNKNOWN", error_message="no")


def dead(job: Claimed, reason: str = "MAX_ATTEMPTS_EXCEEDED") -> Outcome:
    """An outcome that ends in the dead letters."""
    return ended(
        job, OutcomeKind.DEAD, spent=job.spent + 1, error_code="UNKNOWN", error_message="no", reason_code=reason
    )


def finish(pool: Pool, outcomes: Sequence[Outcome], *, over: bool = True) -> set[tuple[str, int]]:
    """Acknowledge outcomes; with `over`, the leases they are under are complete."""
    leases = list(dict.fromkeys(o.job.lease_id for o in outcomes)) if over else []
    return pool.run(sql.finish(outcomes, leases, time.monotonic()))


def flushed(pool: Pool, outcomes: Sequence[Outcome], over: Sequence[str]) -> set[tuple[str, int]]:
    """Acknowledge as a worker's flusher does."""
    return anyio.run(flush.store, pool, outcomes, over)


def plan(db: Any, statement: Statement[Any]) -> list[str]:
    """Run a statement under its settings and give the lines of its plan, with what each step met."""
    with db.transaction():
        for name, value in statement.query.settings.items():
            db.execute("select set_config(%s, %s, true)", [name, value])
        rows = db.execute("explain (analyze, timing off) " + statement.query.text, dict(statement.params)).fetchall()
    return [row[0].strip() for row in rows]


def lapse(db: Any) -> None:
    """Let every lease lapse."""
    db.execute("update pgflow.leases set expires_at = clock_timestamp() - interval '1 s'")


def hasten(db: Any) -> None:
    """Let what is scheduled be due now, on record too: an entry's key is its last attempt's next_run_at."""
    with db.transaction():
        db.execute("update pgflow.scheduled set run_at = now()")
        db.execute(
            "update pgflow.attempts as a set next_run_at = s.run_at from pgflow.scheduled as s"
            " where a.job_id = s.job_id and a.attempt = s.attempt - 1"
        )


def states(db: Any) -> dict[str, str | None]:
    """Each job's state."""
    return {str(row[0]): row[1] for row in db.execute("select id, state from pgflow.job_state")}


def count(db: Any, table: str) -> int:
    """How many rows a table has."""
    return int(db.execute(f"select count(*) from pgflow.{table}").fetchone()[0])
