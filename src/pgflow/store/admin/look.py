"""Looks at jobs, dead letters, queues, workers and decisions. Changes nothing, and never reads a whole table."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pgflow.errors import JobNotFoundError
from pgflow.ids import parse_id
from pgflow.model import FINAL_STATES, Attempt, JobRow, OutcomeKind, State
from pgflow.store.buckets import floor_id, span
from pgflow.store.claims import NIL
from pgflow.store.statement import Statement, all_rows, literal, load, nothing
from pgflow.views import DeadGroup, DeadLetter, DecisionRow, Ending, JobFilter, Page, QueueLimits, QueueRow, WorkerRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from pgflow.store.admin import Run
    from pgflow.store.statement import Query, Rows

T = TypeVar("T")

LOOKED_AT_ROWS: Final = 20_000
LOOKED_AT_SECONDS: Final = 0.15
MOST_IN_A_CHUNK: Final = 500  # where all of them run, finding each in its lease takes 0.3 s
LEAST_IN_A_CHUNK: Final = 20
PARTS_OF_DEATHS: Final = 24
SORTED_ROWS: Final = 100_000  # the newest of so many entries are found in 25 ms
LAST_ID: Final = "ffffffff-ffff-ffff-ffff-ffffffffffff"
ID_SLACK: Final = timedelta(seconds=61)  # an id may be 60 s off the database's clock
EVERYTHING: Final = JobFilter()

BY_INDEX: Final = load("admin/by_index")
DESCRIBE: Final = load("admin/describe", looks_twice=True)
ATTEMPTS: Final = load("admin/attempts")
ENDING: Final = load("admin/ending", looks_twice=True)
DEAD_LETTERS: Final = load("admin/dead_letters")
DEAD_LETTER: Final = load("admin/dead_letter")
DEAD_GROUPS: Final = load("admin/dead_groups")
# no job is in two leases, so that what one attempt's look-up found is never asked for again: to remember it took a
# third of the time that counting 20,000 running jobs takes
EACH_ONCE: Final = {"enable_memoize": "off"}
# with 80,000 entries in ten queues, sorting each queue's took 10 ms where the index gives them in 2
QUEUES: Final = load("admin/queues", {"enable_sort": "off", **EACH_ONCE})
LIMITS: Final = load("limited/limits")
WORKERS: Final = load("admin/workers")
DECISIONS: Final = load("admin/decisions")
DECISIONS_OF_JOB: Final = load("admin/decisions_of_job")
COUNTS: Final = load("admin/counts", EACH_ONCE)
OUTCOMES: Final = load("admin/outcomes")
READY_IS_LONG: Final = load("admin/ready_is_long")
NEWEST: Final = load("admin/newest_jobs")
NEWEST_READY: Final = load("admin/newest_ready")
NEWEST_OF: Final = {
    State.SCHEDULED: load("admin/newest_scheduled"),
    State.RETRYING: load("admin/newest_scheduled"),
    State.RUNNING: load("admin/newest_leased"),
    State.DEAD: load("admin/newest_dead"),
}


class Effort:
    """What a search may still do: look at 20,000 rows or for 150 ms, in chunks that double while there is time left."""

    def __init__(self, chunk: int) -> None:
        self.chunk = chunk
        self._looked = 0
        self._begun = time.monotonic()
        self._until = self._begun + LOOKED_AT_SECONDS

    def is_spent(self, looked: int) -> bool:
        """Count what a chunk looked at, and make the next one as long as should fit in what is left."""
        now = time.monotonic()
        left, took = self._until - now, max(now - self._begun, 1e-6)
        self._looked, self._begun = self._looked + looked, now
        fitting = max(int(self.chunk * left / took), LEAST_IN_A_CHUNK)
        self.chunk = min(fitting, 2 * self.chunk, MOST_IN_A_CHUNK)
        return self._looked >= LOOKED_AT_ROWS or left <= 0


def describe(job_ids: Sequence[str], wanted: JobFilter = EVERYTHING) -> Statement[list[JobRow]]:
    """Read those of these jobs that pass the filter, newest first."""
    given = wanted.arguments.items()
    params = {
        "ids": literal(job_ids), "payloads": wanted.payloads, "state": wanted.state, "queue": wanted.queue,
        "task": wanted.task, "worker": wanted.worker, "error_code": wanted.error_code, "dataset": wanted.dataset,
        "created_after": wanted.created_after, "created_before": wanted.created_before, "text": wanted.text,
        "tag": wanted.tag,
        "arguments": json.dumps([{"path": path.split("."), "wanted": text} for path, text in given]),
    }  # fmt: skip
    return Statement(DESCRIBE, params, _read_jobs)


def job(job_id: object) -> Statement[JobRow]:
    """Read one job, arguments included. Raises `JobNotFoundError` where there is none."""
    known = parse_id(job_id)
    statement = describe([known], replace(EVERYTHING, payloads=True))
    return Statement(statement.query, statement.params, lambda rows: only(_read_jobs(rows), known))


def listing(run: Run, wanted: JobFilter = EVERYTHING) -> Page[JobRow]:
    """List jobs, newest first, after looking at 20,000 rows or for 150 ms at most.

    Where that bound ends the search, `complete` is False and `next` is how far it came.
    """
    effort = Effort(wanted.limit + 1)
    run(Statement(BY_INDEX, {}, nothing))
    source = _source(run, wanted)
    before, after = _bounds(wanted)
    found: list[JobRow] = []
    while True:
        chunk = effort.chunk
        ids = run(_ids(source, before, after, chunk, wanted))
        worth = [job_id for job_id, is_worth in ids if is_worth]
        some = run(describe(worth, wanted)) if worth else []
        found.extend(some)
        if len(found) > wanted.limit:
            page = found[: wanted.limit]
            return Page(page, page[-1].id)
        if len(ids) < chunk:
            return Page(found, None)
        before = ids[-1][0]
        if effort.is_spent(len(ids)):
            return Page(found, before, complete=False)


def attempts(job_id: str) -> Statement[list[Attempt]]:
    """Read every hand-over of a job on record, in order, the released ones too."""
    return Statement(ATTEMPTS, {"job_id": parse_id(job_id)}, _read_attempts)


def ending(job_id: str) -> Statement[Ending]:
    """Ask whether a job has ended, cheaply enough to ask often. Raises `JobNotFoundError` where there is none."""
    known = parse_id(job_id)
    return Statement(ENDING, {"job_id": known}, lambda rows: _read_ending(only(rows, known)))


def dead_letters(
    *,
    queue: str | None = None,
    task: str | None = None,
    reason_code: str | None = None,
    error_code: str | None = None,
    text: str | None = None,
    open_only: bool = False,
    before: tuple[datetime, str] | None = None,
    limit: int = 100,
) -> Statement[list[DeadLetter]]:
    """List dead letters, newest first; `before` is the last page's last (dead_at, job_id)."""
    dead_at, job_id = before or ("infinity", LAST_ID)
    params = {
        "queue": queue, "task": task, "reason_code": reason_code, "error_code": error_code, "text": text,
        "open_only": open_only, "dead_at": dead_at, "job_id": job_id, "most": limit,
    }  # fmt: skip
    return Statement(DEAD_LETTERS, params, _each(DeadLetter))


def dead_letter(job_id: str) -> Statement[DeadLetter | None]:
    """Read the dead letter of a job; None where it has none."""
    return Statement(DEAD_LETTER, {"job_id": parse_id(job_id)}, lambda rows: DeadLetter(*rows[0]) if rows else None)


def dead_groups(*, queue: str | None = None, limit: int = 100) -> Statement[list[DeadGroup]]:
    """Group the newest 10,000 open dead letters by reason, task and error, the most frequent first."""
    return Statement(DEAD_GROUPS, {"queue": queue, "most": limit}, _read_groups)


def queues() -> Statement[list[QueueRow]]:
    """List every queue that has settings, entries, leases or a live worker."""
    return Statement(QUEUES, {}, _each(QueueRow))


def limits() -> Statement[dict[str, QueueLimits]]:
    """Read what operators have set for queues, by name; a queue for which they have set nothing is not there."""
    return Statement(LIMITS, {}, lambda rows: {row[0]: QueueLimits(*row) for row in rows})


def workers() -> Statement[list[WorkerRow]]:
    """List the workers, the oldest first; one is alive for 30 s after its last heartbeat."""
    return Statement(WORKERS, {}, _read_workers)


def decisions(
    *,
    kind: str | None = None,
    queue: str | None = None,
    reason_code: str | None = None,
    before: int | None = None,
    limit: int = 100,
) -> Statement[list[DecisionRow]]:
    """List decisions, newest first; `before` is the last page's last id."""
    last = 2**63 - 1 if before is None else before
    params = {"kind": kind, "queue": queue, "reason_code": reason_code, "before": last, "most": limit}
    return Statement(DECISIONS, params, _each(DecisionRow))


def decisions_of(job_id: str, *, waited: tuple[datetime, datetime] | None = None) -> Statement[list[DecisionRow]]:
    """Read the newest 200 decisions about one job, oldest first.

    With `waited`, from when to when it waited for its first run, those that held its queue back in that time too.
    """
    since, until = waited or (None, None)
    params = {"job_id": parse_id(job_id), "since": since, "until": until}
    return Statement(DECISIONS_OF_JOB, params, _each(DecisionRow))


def counts() -> Statement[dict[str, int]]:
    """Count what is queued, scheduled, retrying, running and dead (open); 100,001 means more than 100,000."""
    states = ("queued", "scheduled", "retrying", "running", "dead")
    return Statement(COUNTS, {}, lambda rows: dict.fromkeys(states, 0) | dict(rows))


def outcomes(seconds: float | None = None) -> Statement[dict[str, int]]:
    """Count how hand-overs ended in the last so many seconds, to 10 s; None counts all on record."""
    kinds = [kind.value for kind in OutcomeKind]
    return Statement(OUTCOMES, {"seconds": seconds}, lambda rows: dict.fromkeys(kinds, 0) | dict(rows))


def only(rows: Sequence[T], job_id: str) -> T:
    """Give the one row there should be. Raises `JobNotFoundError` naming the job where there is none."""
    if not rows:
        msg = f"no job {job_id}: it was never enqueued here, or its bucket was pruned"
        raise JobNotFoundError(msg)
    return rows[0]


def _source(run: Run, wanted: JobFilter) -> Query:
    if wanted.state is State.QUEUED:
        # where ready is longer most of the newest jobs are in it, so they are found by walking those
        long = run(Statement(READY_IS_LONG, {"queue": wanted.queue, "bound": SORTED_ROWS}, lambda rows: rows[0][0]))
        return NEWEST if long else NEWEST_READY
    return NEWEST if wanted.state is None else NEWEST_OF.get(wanted.state, NEWEST)


def _bounds(wanted: JobFilter) -> tuple[str, str]:
    before, after = [LAST_ID], [NIL]
    if wanted.before:
        before.append(parse_id(wanted.before))
    if wanted.created_before:
        before.append(floor_id(wanted.created_before + ID_SLACK))
    if wanted.created_after:
        after.append(floor_id(wanted.created_after - ID_SLACK))
    held = span(wanted.dataset) if wanted.dataset else None
    if held:
        after.append(floor_id(held[0]))
        before.append(floor_id(held[1]))
    return min(before), max(after)


def _ids(source: Query, before: str, after: str, most: int, wanted: JobFilter) -> Statement[Rows]:
    outcome = wanted.state if wanted.state in FINAL_STATES else None
    params = {
        "before": before, "after": after, "most": most, "queue": wanted.queue, "task": wanted.task,
        "state": wanted.state, "outcome": outcome, "error_code": wanted.error_code, "text": wanted.text,
        "worker": wanted.worker,
    }  # fmt: skip
    return Statement(source, params, all_rows)


def _each(kind: Callable[..., Any]) -> Callable[[Rows], list[Any]]:
    return lambda rows: [kind(*row) for row in rows]


def _read_jobs(rows: Rows) -> list[JobRow]:
    # a job without a state is in no table, which `pgflow doctor` reports; no list can show it
    return [JobRow(row[0], State(row[1]), *row[2:]) for row in rows if row[1] is not None]


def _read_workers(rows: Rows) -> list[WorkerRow]:
    return [WorkerRow(*row[:5], *map(tuple, row[5:7]), *row[7:]) for row in rows]


def _read_attempts(rows: Rows) -> list[Attempt]:
    return [Attempt(row[0], OutcomeKind(row[1]), *row[2:]) for row in rows]


def _read_groups(rows: Rows) -> list[DeadGroup]:
    numbers = range(1, PARTS_OF_DEATHS + 1)
    counted = [(*row[:-1], tuple(row[-1].count(part) for part in numbers)) for row in rows]
    return [DeadGroup(*row) for row in counted]


def _read_ending(row: Sequence[Any]) -> Ending:
    return Ending(State(row[0]) if row[0] else None, *row[1:])
