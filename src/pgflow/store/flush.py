"""How a flush is acknowledged: runs that just succeeded by a short statement, all others by the whole `finish`."""

from __future__ import annotations

import time
from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from psycopg import errors as pg

from pgflow.model import OutcomeKind
from pgflow.store import jobs
from pgflow.store.admin.histogram import BOUNDS
from pgflow.store.sending import setting
from pgflow.store.statement import Statement, literal, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pgflow.model import Outcome
    from pgflow.store.pool import Pool

    Run = Callable[[Statement[Any]], Any]

SUCCEED: Final = load("succeed", jobs.BY_INDEX)
BOTH: Final = setting({**jobs.BY_INDEX, **jobs.HASHES})
SPLIT_FROM: Final = 32
"""So many plain successes beside other outcomes are worth a statement of their own."""


class Tally:
    """What `stats` keeps of the runs of one task in one queue."""

    __slots__ = ("count", "run", "runs", "wait", "waits")

    def __init__(self) -> None:
        self.count = 0
        self.wait = self.run = 0.0
        self.waits = [0] * (len(BOUNDS) + 1)
        self.runs = [0] * (len(BOUNDS) + 1)

    def add(self, wait: float, run: float) -> None:
        """Count a run that waited and ran for so many seconds."""
        self.count += 1
        self.wait += wait
        self.run += run
        self.waits[bisect_right(BOUNDS, wait)] += 1
        self.runs[bisect_right(BOUNDS, run)] += 1


def store(pool: Pool, outcomes: Sequence[Outcome], over: Sequence[str]) -> set[tuple[str, int]]:
    """Acknowledge outcomes and delete the leases that are `over`; gives the (job, attempt)s that were dropped."""
    plain = [outcome for outcome in outcomes if _is_plain(outcome)]
    try:
        if len(plain) == len(outcomes):
            if pool.run(succeed(plain, over, time.monotonic())):
                return set()
        elif len(plain) >= SPLIT_FROM:
            return pool.together(partial(_apart, plain, outcomes, over, time.monotonic()))
    except pg.UniqueViolation:
        pass  # sent again after a lost answer: `finish` tells what stands
    return pool.run(jobs.finish(outcomes, over, time.monotonic()))


def succeed(
    outcomes: Sequence[Outcome], over: Sequence[str], now: float, *, leases: Iterable[str] = ()
) -> Statement[bool]:
    """Acknowledge successes without results or failures before; False, and nothing is stored, where a lease is gone.

    It locks their leases, those that are `over`, and `leases` besides. `now` is a reading of `time.monotonic()`.
    Raises `UniqueViolation` where a run has an outcome already.
    """
    tallies = _tallies(outcomes)
    params = {
        "leases": literal(list(dict.fromkeys([*over, *(o.job.lease_id for o in outcomes), *leases]))),
        "over": literal(over),
        "job_ids": literal([o.job.job_id for o in outcomes]),
        "attempts": literal([o.job.attempt for o in outcomes]),
        "began": "{" + ",".join([f"{now - o.started:.6f}" for o in outcomes]) + "}",
        "ended": "{" + ",".join([f"{now - o.finished:.6f}" for o in outcomes]) + "}",
        "queues": [queue for queue, _ in tallies],
        "tasks": [task or jobs.NO_TASK for _, task in tallies],
        "counts": literal([tally.count for tally in tallies.values()]),
        "wait": literal([tally.wait for tally in tallies.values()]),
        "run": literal([tally.run for tally in tallies.values()]),
        "waits": [literal(tally.waits) for tally in tallies.values()],
        "runs": [literal(tally.runs) for tally in tallies.values()],
    }
    return Statement(SUCCEED, params, bool)


def _apart(
    plain: Sequence[Outcome], outcomes: Sequence[Outcome], over: Sequence[str], now: float, run: Run
) -> set[tuple[str, int]]:
    # the first statement locks the leases of both, in their order
    run(BOTH)
    if run(succeed(plain, [], now, leases=dict.fromkeys([*over, *(o.job.lease_id for o in outcomes)]))):
        outcomes = [outcome for outcome in outcomes if not _is_plain(outcome)]
    return set(run(jobs.finish(outcomes, over, now)))


def _is_plain(outcome: Outcome) -> bool:
    return outcome.kind is OutcomeKind.SUCCEEDED and not jobs.has_more(outcome)


def _tallies(outcomes: Iterable[Outcome]) -> dict[tuple[str, str | None], Tally]:
    tallies: dict[tuple[str, str | None], Tally] = {}
    for outcome in outcomes:
        job = outcome.job
        tally = tallies.get((job.queue, job.task))
        if tally is None:
            tally = tallies[job.queue, job.task] = Tally()
        tally.add(job.waited, outcome.finished - outcome.started)
    return tallies
