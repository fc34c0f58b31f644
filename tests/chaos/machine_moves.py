"""What the state machine draws from, and how it says it to the store."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from hypothesis import strategies as st

from chaos.model_values import AT_ONCE, LATE, SOON
from pgflow.model import Claimed, Outcome, OutcomeKind
from pgflow.store import claims

if TYPE_CHECKING:
    from collections.abc import Sequence

QUEUES: Final = ("a", "b")
LIMITED: Final = "limited"
IN_FLIGHT: Final = 2
A_MINUTE: Final = 9
WORKERS: Final = ("w1", "w2", "w3")
CLOCK_SECONDS: Final = 0.002  # what was put off by a millisecond is due behind it

workers = st.sampled_from(WORKERS)
places = st.integers(0, 9)
some = st.lists(places, min_size=1, max_size=3)
asked = st.fixed_dictionaries({
    "queue": st.sampled_from((*QUEUES, LIMITED)),
    "priority": st.sampled_from((0, 0, 1, -1)),
    "max_attempts": st.sampled_from((2, 1, 3)),
    "delay": st.sampled_from((AT_ONCE, AT_ONCE, SOON, LATE)),
    "expires_in": st.sampled_from((None, None, SOON, LATE)),
    "unique_key": st.sampled_from((None, None, "k1", "k2")),
})  # fmt: skip
ways = st.sampled_from(("succeeded", "failed", "failed", "snoozed", "released", "dead", "cancelled", "expired"))
end = st.tuples(places, ways, st.sampled_from((AT_ONCE, SOON, LATE)))
JUMP: Final = (
    "update pgflow.leases set expires_at = clock_timestamp() + %s * interval '1 s' where id = any (%s::uuid[])"
)
# an entry's key is what its job's rows tell, so that a jump in time is one of all three
HASTEN: Final = """
with moved as (update pgflow.scheduled set run_at = now() returning job_id, attempt),
told as (
  update pgflow.attempts as a set next_run_at = now() from moved as m
  where a.job_id = m.job_id and a.attempt = m.attempt - 1
)
update pgflow.jobs as j set run_at = now() from moved as m where j.id = m.job_id and m.attempt = 1"""


def claiming(queue: str, worker: str, names: list[str], most: int, *, suspects: bool) -> Any:
    """Claim under the first of these names, and under the others what goes alone."""
    return claims.claim(queue, worker, names[0], names[1:], most, 60, mark=claims.HEAD, suspects=suspects)


def of(known: Sequence[str], which: list[int]) -> list[str]:
    """Name some of what is known by place, the newest first: it is what a shrunk history is about."""
    return [known[-1 - place % len(known)] for place in which]


def outcome(hand: Claimed, way: str, delay: float) -> Outcome:
    """Say how a run ended, as a worker does: the last failure is a death."""
    now = time.monotonic()
    plain = Outcome(hand, OutcomeKind(way), now - 0.001, now, hand.spent)
    if way == "failed" and hand.spent + 1 < hand.max_attempts:
        return plain._replace(spent=hand.spent + 1, delay=delay, error_code="UNKNOWN", error_message="no")
    if way in ("failed", "dead"):
        reason = "MAX_ATTEMPTS_EXCEEDED" if way == "failed" else "NON_RETRYABLE"
        dead = plain._replace(kind=OutcomeKind.DEAD, spent=hand.spent + 1, error_code="UNKNOWN", error_message="no")
        return dead._replace(reason_code=reason)
    if way in ("snoozed", "released"):
        return plain._replace(delay=delay, error_code=way.upper(), suspect=way == "released" and hand.suspect)
    return plain if way == "succeeded" else plain._replace(error_code=way.upper())
