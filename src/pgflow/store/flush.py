"""How a flush is acknowledged: runs that just succeeded by a short statement, all others by the whole `finish`."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import Counter, defaultdict
from functools import partial
from itertools import repeat
from operator import sub
from typing import TYPE_CHECKING, Any, Final

from psycopg import errors as pg

from pgflow.model import Claimed, Outcome, OutcomeKind
from pgflow.store import jobs, plans
from pgflow.store.admin.histogram import BOUNDS
from pgflow.store.arrays import doubles, integers, uuids
from pgflow.store.sending import setting
from pgflow.store.statement import Statement, literal, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pgflow.store.pool import Pool

    Run = Callable[[Statement[Any]], Any]

SUCCEED: Final = load("succeed", plans.BY_INDEX)
BOTH: Final = setting({**plans.BY_INDEX, **plans.HASHES})
TOLD: Final = load("told", plans.BY_INDEX | plans.LOOPS)
SUCCEEDED: Final = OutcomeKind.SUCCEEDED
SPLIT_FROM: Final = 32
"""So many plain successes beside other outcomes are worth a statement of their own."""


async def store(pool: Pool, outcomes: Sequence[Outcome], over: Sequence[str]) -> set[tuple[str, int]]:
    """Acknowledge outcomes and delete the leases that are `over`; gives the (job, attempt)s that were dropped.

    Those are runs that another hand had ended; what an earlier try stored, whose answer was lost, is not among them.
    """
    dropped = await _stored(pool, outcomes, over)
    if dropped:
        stored_before = await pool.arun(told(outcomes, dropped))
        dropped -= stored_before
    return dropped


async def _stored(pool: Pool, outcomes: Sequence[Outcome], over: Sequence[str]) -> set[tuple[str, int]]:
    plain = [outcome for outcome in outcomes if _is_plain(outcome)]
    try:
        if len(plain) == len(outcomes):
            if await pool.arun(succeed(plain, over, time.monotonic())):
                return set()
        elif len(plain) >= SPLIT_FROM:
            return await pool.atogether(partial(apart, plain, outcomes, over, time.monotonic()))
    except pg.UniqueViolation:
        pass  # sent again after a lost answer: `finish` tells what stands
    return await pool.arun(jobs.finish(outcomes, over, time.monotonic()))


def apart(
    plain: Sequence[Outcome], outcomes: Sequence[Outcome], over: Sequence[str], now: float, run: Run
) -> set[tuple[str, int]]:
    """Acknowledge the plain successes among outcomes by themselves and then the others, for `pool.together`.

    The first statement locks the leases of both, in their order.
    """
    run(BOTH)
    if run(succeed(plain, [], now, leases=dict.fromkeys([*over, *(o.job.lease_id for o in outcomes)]))):
        outcomes = [outcome for outcome in outcomes if not _is_plain(outcome)]
    return set(run(jobs.finish(outcomes, over, now)))


def succeed(
    outcomes: Sequence[Outcome], over: Sequence[str], now: float, *, leases: Iterable[str] = ()
) -> Statement[bool]:
    """Acknowledge successes without results or failures before; False, and nothing is stored, where a lease is gone.

    It locks their leases, those that are `over`, and `leases` besides. `now` is a reading of `time.monotonic()`.
    Raises `UniqueViolation` where a run has an outcome already.
    """
    # by columns: a loop over a thousand outcomes costs ten times what it costs to turn them on their side
    ends: Any = Outcome._make(zip(*outcomes, strict=True))
    of: Any = Claimed._make(zip(*ends.job, strict=True))
    tallies = _tallies(zip(of.queue, of.task, strict=True), of.waited, map(sub, ends.finished, ends.started))
    params = {
        "leases": literal(list(dict.fromkeys([*over, *of.lease_id, *leases]))),
        "over": literal(over),
        "job_ids": uuids(of.job_id),
        "attempts": integers(of.attempt),
        "began": doubles([now - at for at in ends.started]),
        "ended": doubles([now - at for at in ends.finished]),
        "queues": [queue for queue, _ in tallies],
        "tasks": [task or jobs.NO_TASK for _, task in tallies],
        "counts": literal([len(waits) for waits, _ in tallies.values()]),
        "wait": literal([sum(waits) for waits, _ in tallies.values()]),
        "run": literal([sum(runs) for _, runs in tallies.values()]),
        "waits": [literal(_histogram(waits)) for waits, _ in tallies.values()],
        "runs": [literal(_histogram(runs)) for _, runs in tallies.values()],
    }
    return Statement(SUCCEED, params, bool)


def told(outcomes: Sequence[Outcome], dropped: set[tuple[str, int]]) -> Statement[set[tuple[str, int]]]:
    """Ask which of the `dropped` stand on record as they are told here."""
    asked = [outcome for outcome in outcomes if (outcome.job.job_id, outcome.job.attempt) in dropped]
    params = {
        "job_ids": literal([outcome.job.job_id for outcome in asked]),
        "attempts": literal([outcome.job.attempt for outcome in asked]),
        "outcomes": literal([outcome.kind for outcome in asked]),
    }
    return Statement(TOLD, params, set)


def _is_plain(outcome: Outcome) -> bool:
    return outcome.kind is SUCCEEDED and outcome.result is None and not outcome.spent


def _tallies(
    keys: Iterable[tuple[str, str | None]], waits: Iterable[float], runs: Iterable[float]
) -> dict[tuple[str, str | None], tuple[list[float], list[float]]]:
    # the seconds for which the runs of each task in each queue waited, and those that they took
    tallies: defaultdict[tuple[str, str | None], tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for key, wait, run in zip(keys, waits, runs, strict=True):
        waited, ran = tallies[key]
        waited.append(wait)
        ran.append(run)
    return tallies


def _histogram(seconds: Iterable[float]) -> list[int]:
    found = Counter(map(bisect_right, repeat(BOUNDS), seconds))
    return [found[nth] for nth in range(len(BOUNDS) + 1)]
