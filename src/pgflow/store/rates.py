"""Enqueues a minute, counted over all processes: charged on the store's own connection, some of them ahead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pgflow.store.statement import Statement, load, nothing

if TYPE_CHECKING:
    from collections.abc import Iterable

LOCK: Final = load("rates/lock")
RESERVE: Final = load("rates/reserve", repeatable=False)

LOCK_SPACE: Final = 0x70676672
VALID_SECONDS: Final = 1.0
"""How long what was reserved may be used, from before it was asked for."""
COUNTED_SECONDS: Final = 60 + VALID_SECONDS + 1
"""How long a second counts: a minute from the last use of what was reserved in it, which may be at its end."""


class Reserved(NamedTuple):
    """What a queue was charged with; None where too little was left.

    `left` is what was left before; `retry_after` is the seconds until there is enough, None where there never is.
    """

    granted: int | None
    left: int
    retry_after: float | None


def lock(queues: Iterable[str]) -> Statement[None]:
    """Lock the counts of queues till the transaction ends; to be run before they are charged, in the same one.

    It stands in a statement of its own, since a statement that waits for a lock counts what it saw before.
    """
    return Statement(LOCK, {"space": LOCK_SPACE, "queues": list(queues)}, nothing)


def reserve(queue: str, need: int, more: int, most: int) -> Statement[Reserved]:
    """Charge a queue with `need` enqueues, and with up to `more` to come within `VALID_SECONDS`; all or none.

    No sliding 60 s then has more than `most`.
    """
    params = {"queue": queue, "need": need, "more": more, "most": most, "counted": COUNTED_SECONDS}
    return Statement(RESERVE, params, lambda rows: Reserved(*rows[0]))
