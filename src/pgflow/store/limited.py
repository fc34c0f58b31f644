"""Claims of queues that have limits, kept exactly over all workers, and the record of what was held back."""

from __future__ import annotations

import json
import time
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgflow.codes import PolicyReason
from pgflow.store.claims import Claim
from pgflow.store.plans import BY_INDEX, LOOPS
from pgflow.store.sending import SET_LOCAL
from pgflow.store.statement import Query, Statement, load, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pgflow.model import Claimed
    from pgflow.store.admin import Run

LOCK: Final = load("limited/lock")
ADD: Final = load("limited/add", repeatable=False)
IN_FLIGHT: Final = load("limited/in_flight")
LAST_MINUTE: Final = load("limited/last_minute")
CHARGE: Final = load("limited/charge", repeatable=False)
NOTE: Final = load("limited/note", repeatable=False)
PIN: Final = Query("limited/pin", SET_LOCAL)
# The claim's own plans, but not its relaxed commit: a forgotten claim would let more run than the limit allows.
# A worker that freezes while it holds the queue's row is cut off, or nobody could claim from the queue any more.
SETTINGS: Final = {**BY_INDEX, **LOOPS, "jit": "off", "idle_in_transaction_session_timeout": "10s"}


class Limits(NamedTuple):
    """What a claim of one queue is to be kept within, over all workers: at least one limit; None is none."""

    queue: str
    worker: str
    max_in_flight: int | None
    rate: int | None


class Held(NamedTuple):
    """Why a queue was held back while it had entries, and what else to keep about it."""

    reason_code: str
    reason: str
    details: Mapping[str, object] = MappingProxyType({})


class Bound(NamedTuple):
    """A limit, and how much of it is used up."""

    reason_code: str
    name: str
    words: str
    limit: int
    used: int

    @property
    def left(self) -> int:
        """How many more it lets through."""
        return max(self.limit - self.used, 0)

    def held(self, more: int) -> Held:
        """Say why no more than `more` came."""
        reason = self.words.format(self.used + more, self.limit)
        return Held(self.reason_code, reason, {self.name: self.limit})


class Brought(NamedTuple):
    """What a claim brought, of the `allowed`, in `seconds` of claiming; and why it was held back, where it was.

    `claims` are what it brought from each queue. `busy` says that another claim had the queue's row, so that nothing
    was tried.
    """

    claims: list[Claim]
    jobs: list[Claimed]
    allowed: int
    seconds: float
    held: Held | None = None
    busy: bool = False


NONE: Final = Claim([], None)
BUSY: Final = Brought([NONE], NONE.jobs, 0, 0.0, busy=True)


def claim(run: Run, limits: Limits, most: int, claiming: Callable[[int], Statement[Claim]]) -> Brought:
    """Claim what the limits leave of `most`; where they leave less and more waits, keep a decision.

    For `pool.together`. The lock, each count and the claim are statements of their own: in one, the snapshot of the
    count is older than the lock, which let 30 through a limit of 10.
    """
    if not _locked(run, limits.queue):
        return BUSY
    run(Statement(PIN, {"settings": json.dumps(SETTINGS)}, nothing))
    bound = min(_bounds(run, limits), key=lambda bound: bound.left)
    left = min(most, bound.left)
    began = time.monotonic()
    brought = run(claiming(left)) if left else NONE
    jobs = brought.jobs
    seconds = time.monotonic() - began
    if jobs and limits.rate is not None:
        run(Statement(CHARGE, {"queue": limits.queue, "count": len(jobs)}, nothing))
    held = bound.held(len(jobs)) if len(jobs) == left < most else None
    if held and not run(note(limits.queue, limits.worker, held)):
        held = None
    return Brought([brought], jobs, left, seconds, held)


def note(queue: str, worker: str, held: Held) -> Statement[bool]:
    """Keep that a policy held a queue back, on one row each 10 s over all workers.

    False, and nothing is kept, where the queue has no entry.
    """
    details = json.dumps({"reason": held.reason, **held.details})
    params = {"queue": queue, "worker": worker, "reason_code": held.reason_code, "details": details}
    return Statement(NOTE, params, bool)


def _locked(run: Run, queue: str) -> bool:
    return run(Statement(LOCK, {"queue": queue}, bool)) or run(Statement(ADD, {"queue": queue}, bool))


def _bounds(run: Run, limits: Limits) -> Iterator[Bound]:
    queue, most = limits.queue, limits.max_in_flight
    if most is not None:
        flying = run(_count(IN_FLIGHT, queue=queue, most=max(most, 0)))
        words = "{} of at most {} are in flight"
        yield Bound(PolicyReason.IN_FLIGHT_EXCEEDED, "max_in_flight", words, most, flying)
    if limits.rate is not None:
        made = run(_count(LAST_MINUTE, queue=queue))
        words = "{} of at most {} attempts were made in the last minute"
        yield Bound(PolicyReason.ATTEMPT_RATE_EXCEEDED, "max_attempts_per_minute", words, limits.rate, made)


def _count(query: Query, **params: Any) -> Statement[int]:
    return Statement(query, params, lambda rows: int(rows[0][0]))
