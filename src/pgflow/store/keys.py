"""Keys under which something is stored once: a job while it has not ended, a request within a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.errors import KeyConflictError
from pgflow.model import check_key
from pgflow.store import jobs as sql
from pgflow.store.statement import Statement, first_column, load, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.model import NewJob
    from pgflow.store.admin import Run
    from pgflow.store.statement import Query, Rows

ENQUEUE: Final = load("keys/enqueue")
TAKE_REQUEST: Final = load("keys/take_request")
REQUEST: Final = load("keys/request")
ANSWER: Final = load("keys/answer")

TIME_DIGITS: Final = 13
"""The digits, with a hyphen, of an id that tell its time: what the store may mend of it."""


class Asking:
    """An enqueue on its way: `query` is to be run with the jobs `left` until none are.

    That is once, save where a key was taken by another transaction in the same moment.
    """

    __slots__ = ("_ids", "left", "query")

    def __init__(self, jobs: Sequence[NewJob]) -> None:
        self.left = jobs
        self.query: Query = ENQUEUE if any_keyed(jobs) else sql.ENQUEUE
        self._ids: list[Any] = []

    def heed(self, ids: list[Any]) -> None:
        """Take in what the statement gave for the jobs `left`: ids, or None where it is to be asked again."""
        answers = iter(ids)
        self._ids = [next(answers) if given is None else given for given in self._ids] if self._ids else ids
        late = None in ids
        self.left = [job for job, given in zip(self.left, ids, strict=True) if given is None] if late else ()

    @property
    def ids(self) -> list[str]:
        """The ids, in order: each job's own, or that of the job which holds its key."""
        return self._ids


def any_keyed(jobs: Sequence[NewJob]) -> bool:
    """Say whether any job has a unique key."""
    return jobs[0].unique_key is not None if len(jobs) == 1 else any(job.unique_key is not None for job in jobs)


def enqueue(run: Run, jobs: Sequence[NewJob]) -> list[str]:
    """Store jobs, save those whose unique key another holds; gives an id for each, in order.

    Several jobs with keys want the `run` of one transaction, as it may be called more than once.
    """
    asking = Asking(jobs)
    while asking.left:
        payload = sql.enqueue_payload(asking.left, ring=False)
        asking.heed(run(Statement(asking.query, {"jobs": payload}, first_column)))
    return asking.ids


def is_stored(job: NewJob, given: str) -> bool:
    """Say whether a job was stored, `given` being the id that its enqueue gave."""
    return job.unique_key is None or given[TIME_DIGITS:] == job.id[TIME_DIGITS:]


def answered(run: Run, key: str, request_hash: str) -> str | None:
    """Give the job that a request's key stands for, None where it is free. Raises `KeyConflictError`."""
    row = run(Statement(REQUEST, {"key": check_key("Idempotency-Key", key)}, _first))
    if row is not None and row[1] != request_hash:
        raise KeyConflictError(key)
    return None if row is None else str(row[0])


def enqueue_once(run: Run, job: NewJob, key: str, request_hash: str) -> tuple[str, bool]:
    """Store a request's job, unless its key stands for one; gives the job's id, and whether the request is new.

    `run` must be that of one transaction. A request under way elsewhere is waited for.
    Raises `KeyConflictError` where the key stands for another request.
    """
    while not run(Statement(TAKE_REQUEST, {"key": key, "job_id": job.id, "request_hash": request_hash}, bool)):
        known = answered(run, key, request_hash)
        if known is not None:
            return known, False
    job_id = enqueue(run, [job])[0]
    if job_id != job.id:
        run(Statement(ANSWER, {"key": key, "job_id": job_id}, nothing))
    return job_id, True


def _first(rows: Rows) -> tuple[Any, ...] | None:
    return rows[0] if rows else None
