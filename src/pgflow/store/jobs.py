"""The statements a job meets on its way: enqueue, claim, finish, and what keeps leases honest."""

from __future__ import annotations

import json
import uuid
from functools import partial
from json.encoder import encode_basestring_ascii
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgflow.model import Claimed
from pgflow.store.statement import Statement, all_rows, first_column, literal, load, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from pgflow.model import NewJob, Outcome
    from pgflow.store.statement import Rows

# A pinned plan made on an empty table would scan or sort it for ever, so the plans that do are ruled out.
BY_INDEX: Final = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "enable_bitmapscan": "off"}
LOOPS: Final = {"enable_hashjoin": "off", "enable_mergejoin": "off"}
# The planner takes a flush for ten rows, and would join two thousand by two thousand in loops: 377 ms instead of 20.
HASHES: Final = {"enable_nestloop": "off"}
# After a crash of the server a claim may be forgotten and its jobs handed out again: the fence drops the first run.
RELAXED: Final = {"synchronous_commit": "off"}
ENQUEUE: Final = load("enqueue")
CLAIM: Final = load("claim", BY_INDEX | LOOPS | RELAXED, repeatable=False, binary=True)
VOID: Final = load("void")
RECOVER: Final = load("recover")
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

VOID_SECONDS: Final = 600.0
"""For how long a claim whose answer was lost may be on its way, in the buffers of whatever stands between."""
NIL: Final = "00000000-0000-0000-0000-000000000000"
NO_TASK: Final = "-"


class Mark(NamedTuple):
    """A place in a queue's order from which a claim reads on."""

    rank: int
    run_at: datetime | str
    job_id: str


HEAD: Final = Mark(-(2**31), "-infinity", NIL)


class Ask(NamedTuple):
    """A queue that a claim asks, the lease for what it brings, and how many jobs that may be at most."""

    queue: str
    lease: str
    most: int


class Claim(NamedTuple):
    """What a claim of one queue brought, and the mark behind it (None where it brought nothing)."""

    jobs: list[Claimed]
    mark: Mark | None


def enqueue_payload(jobs: Sequence[NewJob], *, ring: bool) -> str:
    """Write the one parameter of the enqueue statement. `ring` forces the doorbell."""
    return f'{{"ring":{str(ring).lower()},"jobs":[{",".join(_job_texts(jobs))}]}}'


def enqueue(jobs: Sequence[NewJob]) -> Statement[list[str]]:
    """Store jobs that have no unique keys (`keys.enqueue` heeds those).

    Gives their ids in order, which differ from those asked where a clock was wrong.
    """
    return Statement(ENQUEUE, {"jobs": enqueue_payload(jobs, ring=False)}, first_column)


def claim(
    queue: str, worker: str, lease: str, lone: Sequence[str], most: int, seconds: float, *, mark: Mark, suspects: bool
) -> Statement[Claim]:
    """Take up to `most` jobs of one queue under `lease`, or under the `lone` leases where they go alone.

    The first of `lone` is for a suspect, which is taken only with `suspects`. Lease time in seconds.
    """
    ask = Ask(queue, lease, most)
    params = _claim_params([ask], worker, lone, most, seconds, mark, suspects=suspects)
    return Statement(CLAIM, params, partial(_read_claim, ask))


def claim_in_turn(
    asked: Sequence[Ask], worker: str, lone: Sequence[str], most: int, seconds: float, *, suspects: bool
) -> Statement[list[Claim]]:
    """Take up to `most` jobs of queues in this order, from their heads; gives what each brought."""
    params = _claim_params(asked, worker, lone, most, seconds, HEAD, suspects=suspects)
    return Statement(CLAIM, params, partial(_read_claims, asked))


def void(leases: Sequence[str]) -> Statement[None]:
    """See to it that no claim takes any of these leases from now on, however late it comes; waits for one under way."""
    return Statement(VOID, {"leases": literal(leases), "seconds": VOID_SECONDS}, nothing)


def recover(worker: str, leases: Sequence[str]) -> Statement[Claim]:
    """Read back what a claim with a lost answer took; only behind `void` is that all it will ever take."""
    return Statement(RECOVER, {"worker": worker, "leases": literal(leases)}, _read_recovered)


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


def new_lease_id() -> str:
    """Make a lease id before the claim, so that a lost answer can be read back."""
    return new_lease_ids(1)[0]


def new_lease_ids(count: int) -> list[str]:
    """Make the lease ids of one claim: one at random, and those next to it."""
    stem = str(uuid.uuid4())[:-4]
    return [f"{stem}{nth:04x}" for nth in range(count)]


def _claim_params(
    asked: Sequence[Ask], worker: str, lone: Sequence[str], most: int, seconds: float, mark: Mark, *, suspects: bool
) -> dict[str, Any]:
    queues, leases, mosts = zip(*asked, strict=True)
    return {
        "queues": list(queues), "leases": literal(leases), "mosts": literal(mosts), "worker": worker,
        "lone": literal(lone), "most": most, "seconds": seconds, "suspects": suspects, "rank": mark.rank,
        "run_at": mark.run_at, "job_id": mark.job_id,
    }  # fmt: skip


def _has_more(outcome: Outcome) -> bool:
    """Whether an outcome says more than that the run ended, and when."""
    return (
        outcome.delay is not None or outcome.error_code is not None or outcome.result is not None or outcome.spent > 0
    )


def _read_claims(asked: Sequence[Ask], rows: Rows) -> list[Claim]:
    of: list[Rows] = [[] for _ in asked]
    for row in rows:
        of[(row[-2] or 1) - 1].append(row)
    return [_read_claim(ask, rows) for ask, rows in zip(asked, of, strict=True)]


def _read_claim(ask: Ask, rows: Rows) -> Claim:
    queue, lease, _ = ask
    jobs = [
        _claimed((
            lease, job_id, attempt, 0, False, rank or 0, queue, task, args, kwargs, most, timeout, False, False, False,
            None, waited, 0.0,
        ))
        for job_id, attempt, task, args, kwargs, most, timeout, waited, rank, _, _ in rows
    ]  # fmt: skip
    mark, alone = None, False
    for nth, row in enumerate(rows):
        if row[-1] is not None:
            lone, spent, suspect, keep_result, expired, cancelled, headers, age, run_at = json.loads(row[-1])
            jobs[nth] = job = jobs[nth]._replace(
                lease_id=lone or lease, spent=spent, suspect=suspect, keep_result=keep_result, expired=expired,
                cancelled=cancelled, headers=headers, age=age,
            )  # fmt: skip
            alone = alone or lone is not None
            mark = mark if run_at is None else Mark(job.rank, run_at, job.job_id)
    if alone:
        # what goes alone comes behind the rest: by rank, by time, which is the longest wait first, and by id
        jobs.sort(key=lambda job: (job.rank, -job.waited, job.job_id))
    return Claim(jobs, mark)


def _read_recovered(rows: Rows) -> Claim:
    return Claim([_claimed(row) for row in rows], None)


_claimed = partial(tuple.__new__, Claimed)  # `_make` counts the fields of each: 0.1 us a job


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
