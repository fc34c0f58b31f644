"""Claims: what one takes from queues, under which leases, from where it reads, and what a lost answer leaves."""

from __future__ import annotations

import json
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgflow.model import Claimed
from pgflow.store.plans import BY_INDEX, LOOPS, RELAXED
from pgflow.store.statement import Statement, literal, load, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pgflow.store.statement import Rows

CLAIM: Final = load("claim", BY_INDEX | LOOPS | RELAXED, repeatable=False, binary=True)
VOID: Final = load("void")
RECOVER: Final = load("recover")

VOID_SECONDS: Final = 600.0
"""For how long a claim whose answer was lost may be on its way, in the buffers of whatever stands between."""
NIL: Final = "00000000-0000-0000-0000-000000000000"


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
