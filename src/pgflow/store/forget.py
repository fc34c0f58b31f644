"""Deletes what is too old to be of use: a thousand rows at a time, so that nobody waits for it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgflow.store.statement import Query, Statement, load

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.store.pool import Pool
    from pgflow.store.statement import Rows

AT_ONCE: Final = 1_000
COUNTED_AT_MOST: Final = 100_000
NIL: Final = "00000000-0000-0000-0000-000000000000"

CLOCK: Final = load("clock")
KINDS: Final[dict[str, Query]] = {
    kind: load(f"forget/{kind}")
    for kind in (
        "stats", "decisions", "rates", "workers", "keys", "cancellations", "dead_letters", "closed_letters", "default",
    )
}  # fmt: skip


class Batch(NamedTuple):
    """What one statement did: how many rows it looked at, how many it deleted, and where the next one goes on."""

    looked_at: int
    old: int
    mark: str | None


def now() -> Statement[datetime]:
    """Read the database's clock."""
    return Statement(CLOCK, {}, lambda rows: datetime.fromtimestamp(rows[0][0], UTC))


def forget(pool: Pool, what: str, seconds: float, *, goes_on: Callable[[], bool]) -> int:
    """Delete what is older than `seconds` of one of the `KINDS`; gives how many rows went.

    Asks `goes_on` behind each thousand. Rows that another hand has locked are left for the next time.
    Raises `ValueError` for what is none of the kinds.
    """
    gone, mark = 0, NIL
    while True:
        batch = pool.run(_batch(what, seconds, mark, AT_ONCE, really=True))
        gone += batch.old
        if batch.looked_at < AT_ONCE or not goes_on():
            return gone
        mark = batch.mark or NIL


def due(pool: Pool, what: str, seconds: float) -> int:
    """Count what `forget` would delete, up to 100,000 rows, and delete nothing. Raises `ValueError` as it does."""
    found, mark = 0, NIL
    while True:
        batch = pool.run(_batch(what, seconds, mark, COUNTED_AT_MOST, really=False))
        found += batch.old
        if batch.looked_at < COUNTED_AT_MOST or batch.mark is None:
            return found
        mark = batch.mark


def _batch(what: str, seconds: float, mark: str, most: int, *, really: bool) -> Statement[Batch]:
    if what not in KINDS:
        msg = f"{what!r} is nothing that can be forgotten; there are: {', '.join(KINDS)}"
        raise ValueError(msg)
    params: dict[str, Any] = {"seconds": seconds, "mark": mark, "most": most, "really": really}
    return Statement(KINDS[what], params, _read_batch)


def _read_batch(rows: Rows) -> Batch:
    return Batch(*rows[0])
