"""Enqueues on the store's own connections: one job by the least there is, few by one statement, many by COPY.

The statement of `jobs.enqueue`, which looks whether a job is there, stores what may be: after a lost answer, that is.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from psycopg.errors import UniqueViolation

from pgflow.store import jobs as sql
from pgflow.store import keys
from pgflow.store.copying import Copied
from pgflow.store.statement import Statement, first_column, literal, load, nothing

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pgflow.model import NewJob
    from pgflow.store.admin import Run
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Query

ONE: Final = load("enqueue_one")
CLOCK: Final = load("bulk/clock")
JOBS: Final = load("bulk/jobs")
READY: Final = load("bulk/ready")
SCHEDULED: Final = load("bulk/scheduled")
RING: Final = load("bulk/ring")

AT_ONCE_JOBS: Final = 5_000
AT_ONCE_BYTES: Final = 16_000_000
COPIED_FROM_JOBS: Final = 200
"""From how many on a COPY costs less: it asks the database seven times where the statement asks once."""


def enqueue(pool: Pool, jobs: Sequence[NewJob]) -> list[str]:
    """Store jobs, all or none; gives an id for each, in order: the holder's where a unique key is taken."""
    if len(jobs) == 1:
        return _enqueue_one(pool, jobs)
    storing = _Storing(jobs)
    if storing.is_one_statement:
        return pool.run(sql.enqueue(jobs))
    try:
        return pool.together(storing, repeatable=not storing.is_keyed)
    except UniqueViolation:
        if storing.is_keyed:
            raise
        return pool.together(storing, repeatable=True)


def enqueue_one(job: NewJob) -> Statement[list[str]]:
    """Store one job, which has no unique key and can run now. Raises `UniqueViolation` where it is there already."""
    params = {
        "id": job.id, "expires_at": job.expires_at, "expires_in": job.expires_in, "timeout": job.timeout,
        "priority": str(job.priority), "max_attempts": str(job.max_attempts), "keep_result": job.keep_result,
        "queue": job.queue, "task": job.task, "args": job.args, "kwargs": job.kwargs,
        "headers": json.dumps(job.headers, ensure_ascii=False) if job.headers else None,
        "parent_id": job.parent_id, "root_id": job.root_id, "replay_of": job.replay_of,
    }  # fmt: skip
    return Statement(ONE, params, first_column)


def copy(run: Run, jobs: Sequence[NewJob]) -> list[str]:
    """Store jobs that have no unique keys; gives their ids, in order.

    `run` must be that of one transaction. Raises `UniqueViolation` where one is there already, or twice among them.
    """
    copied = Copied(jobs, run(Statement(CLOCK, {}, _first)))
    run(_sent(JOBS, copied.rows()))
    for query, due in ((READY, True), (SCHEDULED, False)):
        if copied.has_entries(due=due):
            run(_sent(query, copied.entries(due=due)))
    if queues := copied.queues():
        run(Statement(RING, {"queues": literal(queues)}, nothing))
    return copied.ids


class _Storing:
    # the work of one transaction; called again, it stores what is not there yet, as the first may have been committed
    def __init__(self, jobs: Sequence[NewJob]) -> None:
        self._chunks = _chunks(jobs)
        self.is_keyed = keys.any_keyed(jobs)
        self._copies = len(jobs) >= COPIED_FROM_JOBS and not self.is_keyed
        self.is_one_statement = len(self._chunks) == 1 and not (self._copies or self.is_keyed)

    def __call__(self, run: Run) -> list[str]:
        store, self._copies = copy if self._copies else keys.enqueue, False
        return [job_id for chunk in self._chunks for job_id in store(run, chunk)]


def _enqueue_one(pool: Pool, jobs: Sequence[NewJob]) -> list[str]:
    job = jobs[0]
    if job.unique_key is not None:
        return keys.enqueue(pool.run, jobs)
    if job.delay is not None or job.run_at is not None:
        return pool.run(sql.enqueue(jobs))
    try:
        return pool.run(enqueue_one(job))
    except UniqueViolation:
        return pool.run(sql.enqueue(jobs))


def _sent(query: Query, blocks: Iterable[bytes]) -> Statement[None]:
    return Statement(query, {"blocks": blocks}, nothing)


def _first(rows: list[tuple[Any, ...]]) -> int:
    return int(rows[0][0])


def _chunks(jobs: Sequence[NewJob]) -> list[Sequence[NewJob]]:
    if _characters(jobs) <= AT_ONCE_BYTES:
        return [jobs[first : first + AT_ONCE_JOBS] for first in range(0, len(jobs), AT_ONCE_JOBS)]
    chunks: list[Sequence[NewJob]] = []
    first, size = 0, 0
    for place, job in enumerate(jobs):
        size += len(job.args or "") + len(job.kwargs or "")
        if place - first >= AT_ONCE_JOBS or (size > AT_ONCE_BYTES and place > first):
            chunks.append(jobs[first:place])
            first, size = place, 0
    chunks.append(jobs[first:])
    return chunks


def _characters(jobs: Sequence[NewJob]) -> int:
    return sum([len(job.args) for job in jobs if job.args]) + sum([len(job.kwargs) for job in jobs if job.kwargs])
