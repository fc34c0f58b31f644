"""The statements a job meets on its way: enqueue, finish, and what keeps leases honest; `claims` has the claim."""

from __future__ import annotations

import json
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Final

from pgflow.store.plans import BY_INDEX, HASHES, RELAXED
from pgflow.store.statement import Statement, all_rows, first_column, literal, load, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow.model import NewJob, Outcome
    from pgflow.store.statement import Rows

ENQUEUE: Final = load("enqueue")
FINISH: Final = load("finish", BY_INDEX | HASHES)
REAP: Final = load("reap")
PROMOTE: Final = load("promote", BY_INDEX)
EXTEND: Final = load("extend_leases", RELAXED)
STANDING: Final = load("standing_leases")
WAITING: Final = load("waiting_queues", prepares=False)
PROMISE: Final = load("promise")
BEAT: Final = load("beat")
LEAVE: Final = load("leave")
LEFT: Final = load("left_to_do")
UNKNOWN_SINCE: Final = load("unknown_since")

NO_TASK: Final = "-"


def enqueue_payload(jobs: Sequence[NewJob], *, ring: bool) -> str:
    """Write the one parameter of the enqueue statement. `ring` forces the doorbell."""
    return f'{{"ring":{str(ring).lower()},"jobs":[{",".join(_job_texts(jobs))}]}}'


def enqueue(jobs: Sequence[NewJob]) -> Statement[list[str]]:
    """Store jobs that have no unique keys (`keys.enqueue` heeds those).

    Gives their ids in order, which differ from those asked where a clock was wrong.
    """
    return Statement(ENQUEUE, {"jobs": enqueue_payload(jobs, ring=False)}, first_column)


def finish(outcomes: Sequence[Outcome], over: Sequence[str], now: float) -> Statement[set[tuple[str, int]]]:
    """Acknowledge outcomes and delete the leases that are `over`; gives the (job, attempt)s that were dropped.

    `now` is a reading of `time.monotonic()`, from which the ages of starts and ends are counted.
    """
    leases: dict[str, int] = {}
    tasks: dict[str, int] = {}
    for lease in over:
        leases.setdefault(lease, len(leases) + 1)
    lease_of = [leases.setdefault(o.job.lease_id, len(leases) + 1) for o in outcomes]
    task_of = [tasks.setdefault(o.job.task or NO_TASK, len(tasks) + 1) for o in outcomes]
    params = {
        "leases": literal(list(leases)),
        "over": literal(over),
        "tasks": list(tasks),
        "lease_of": literal(lease_of),
        "task_of": literal(task_of),
        "job_ids": literal([o.job.job_id for o in outcomes]),
        "attempts": literal([o.job.attempt for o in outcomes]),
        "outcomes": literal([o.kind for o in outcomes]),
        "waits": "{" + ",".join([f"{o.job.waited:.6f}" for o in outcomes]) + "}",
        "began": "{" + ",".join([f"{now - o.started:.6f}" for o in outcomes]) + "}",
        "ended": "{" + ",".join([f"{now - o.finished:.6f}" for o in outcomes]) + "}",
        "more": "[" + ",".join([_more_json(n, o) for n, o in enumerate(outcomes, 1) if _has_more(o)]) + "]",
    }
    return Statement(FINISH, params, _read_dropped)


def reap() -> Statement[Rows]:
    """Take back lapsed leases; rows of job_id, attempt, outcome, queue, task, worker_id."""
    return Statement(REAP, {}, all_rows)


def promote() -> Statement[tuple[int, float | None]]:
    """Move what is due to ready; gives how many moved and the seconds until the next is due."""
    return Statement(PROMOTE, {}, lambda rows: (rows[0][0], rows[0][1]))


def extend_leases(worker: str, leases: Sequence[str], seconds: float) -> Statement[None]:
    """Hold on to leases for `seconds` more."""
    return Statement(EXTEND, {"worker": worker, "leases": literal(leases), "seconds": seconds}, nothing)


def standing_leases(worker: str, leases: Sequence[str]) -> Statement[dict[str, list[str]]]:
    """The leases that still stand, each with the ids of its jobs that someone wishes to cancel."""
    return Statement(STANDING, {"worker": worker, "leases": literal(leases)}, dict)


def promise(worker: str, seconds: float) -> Statement[None]:
    """Promise that this worker keeps polling its queues each 20 ms for `seconds`."""
    return Statement(PROMISE, {"worker": worker, "seconds": seconds}, nothing)


def beat(worker: str, status: dict[str, Any]) -> Statement[None]:
    """Say that a worker is here; `status` holds the columns of `workers` that beat.sql names."""
    return Statement(BEAT, {"worker": worker, **status}, nothing)


def leave(worker: str) -> Statement[None]:
    """Take the worker's row away, unless it still holds a lease."""
    return Statement(LEAVE, {"worker": worker}, nothing)


def left_to_do(queues: Sequence[str]) -> Statement[tuple[int, int, int]]:
    """How much waits in these queues: ready, scheduled, and in anyone's hands; each counted to 1,000 at most."""
    return Statement(LEFT, {"queues": list(queues)}, lambda rows: (rows[0][0], rows[0][1], rows[0][2]))


def waiting_queues(queues: Sequence[str]) -> Statement[tuple[list[str], float | None]]:
    """Which of these queues have something to claim, and the seconds until the next scheduled job of any is due."""
    return Statement(WAITING, {"queues": list(queues)}, lambda rows: (rows[0][0], rows[0][1]))


def unknown_since(job_ids: Sequence[str]) -> Statement[dict[str, float]]:
    """For how many seconds each job has met only workers that do not know its task."""
    return Statement(UNKNOWN_SINCE, {"job_ids": literal(job_ids)}, dict)


def _has_more(outcome: Outcome) -> bool:
    """Whether an outcome says more than that the run ended, and when."""
    return (
        outcome.delay is not None or outcome.error_code is not None or outcome.result is not None or outcome.spent > 0
    )


def _read_dropped(rows: Rows) -> set[tuple[str, int]]:
    return {(job_id, attempt) for job_id, attempt in rows}


def _more_json(nth: int, o: Outcome) -> str:
    fields: dict[str, Any] = {
        "nth": nth, "job_id": o.job.job_id, "spent": o.spent, "delay": o.delay, "rank": o.job.rank,
        "suspect": o.suspect, "alone": o.suspect or o.job.max_attempts == 1, "error_code": o.error_code,
        "error_message": o.error_message, "traceback": o.traceback, "reason_code": o.reason_code,
    }  # fmt: skip
    text = json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)
    return text if o.result is None else f'{text[:-1]},"result":{o.result}}}'


def _job_texts(jobs: Sequence[NewJob]) -> Iterator[str]:
    mould, like = None, ""
    for job in jobs:
        if job.mould is not mould:
            mould, like = job.mould, _like_json(job)
        args = "" if job.args is None else f',"args":{job.args}'
        kwargs = "" if job.kwargs is None else f',"kwargs":{job.kwargs}'
        yield f'{{"id":{encode_basestring_ascii(job.id)},{like}{args}{kwargs}}}'


def _like_json(job: NewJob) -> str:
    # all but id and arguments, without braces: the same of a thousand jobs, and written once
    fields: dict[str, Any] = {
        "queue": job.queue, "task": job.task, "priority": job.priority,
        "max_attempts": job.max_attempts, "timeout": job.timeout, "delay": job.delay,
        "expires_in": job.expires_in, "keep_result": job.keep_result or None, "headers": job.headers or None,
        "run_at": job.run_at and job.run_at.isoformat(), "expires_at": job.expires_at and job.expires_at.isoformat(),
        "unique_key": job.unique_key, "parent_id": job.parent_id, "root_id": job.root_id, "replay_of": job.replay_of,
    }  # fmt: skip
    return json.dumps({name: value for name, value in fields.items() if value is not None}, ensure_ascii=False)[1:-1]
