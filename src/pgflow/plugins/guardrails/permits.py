"""Permits to enqueue: reserved in the database for all processes together, and used up in this one."""

from __future__ import annotations

import math
import os
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from pgflow.admin import rates

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.admin import Run

AHEAD_SHARE: Final = 50
AHEAD_MOST: Final = 500
REFUSED_SECONDS: Final = 1.0
"""How long a refusal is repeated without asking again, so that a flood of them costs the database little."""


class Exhausted(Exception):  # noqa: N818 - a finding, made a refusal of by who catches it
    """A queue has fewer permits left than are needed; `retry_after` is None where it never has as many."""

    def __init__(self, queue: str, left: int, retry_after: float | None) -> None:
        super().__init__(queue)
        self.queue = queue
        self.left = left
        self.retry_after = retry_after


class Refused(NamedTuple):
    """What was refused a moment ago: how much was needed and left, when there is room, and till when to believe it."""

    need: int
    left: int
    room_at: float | None
    until: float

    def again(self, queue: str, now: float) -> Exhausted:
        """Make the same refusal."""
        return Exhausted(queue, self.left, None if self.room_at is None else self.room_at - now)


@dataclass(slots=True)
class Stock:
    """What this process has reserved of one queue, until when, and what it was last refused."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    permits: int = 0
    until: float = 0.0
    ahead: int = 0
    refused: Refused | None = None

    def valid(self, now: float) -> int:
        """Give how many permits may be used now."""
        return self.permits if now < self.until else 0

    def more(self, now: float, most: int) -> int:
        """Say how many to reserve ahead: twice as many where the last were used up in time, else none."""
        return min(max(2 * self.ahead, 1), most // AHEAD_SHARE, AHEAD_MOST) if now < self.until else 0

    def refill(self, now: float, need: int, granted: int) -> None:
        """Take in what was reserved by a request made at `now`."""
        self.permits = self.valid(now) + granted
        self.ahead = granted - need
        self.until = now + rates.VALID_SECONDS

    def refuse(self, now: float, need: int, found: Exhausted) -> None:
        """Note a refusal: till a second passes out of the minute there can only be less."""
        seconds = math.inf if found.retry_after is None else found.retry_after
        room_at = None if found.retry_after is None else now + found.retry_after
        self.refused = Refused(need, found.left, room_at, now + min(seconds, REFUSED_SECONDS))


class Permits:
    """The permits of one process; safe to use from many threads, and begun anew in a forked child."""

    def __init__(self) -> None:
        self._begin()

    def take(self, db: Any, wanted: Mapping[str, int], most: Mapping[str, int]) -> None:
        """Use permits of queues, all or none; `most` is each one's limit a minute.

        Raises `Exhausted`, or `DatabaseUnavailableError`.
        """
        if self._pid != os.getpid():
            # what the parent reserved is the parent's, and threads that are not here may hold its locks
            self._begin()
        stocks = {queue: self._stock(queue) for queue in sorted(wanted)}
        with ExitStack() as held:
            for stock in stocks.values():
                held.enter_context(stock.lock)
            now = time.monotonic()
            short = {queue: need for queue in stocks if (need := wanted[queue] - stocks[queue].valid(now)) > 0}
            if short:
                self._reserve(db, stocks, short, most, now)
            for queue, stock in stocks.items():
                stock.permits -= wanted[queue]

    def _begin(self) -> None:
        self._stocks: dict[str, Stock] = {}
        self._pid = os.getpid()

    def _stock(self, queue: str) -> Stock:
        return self._stocks.get(queue) or self._stocks.setdefault(queue, Stock())

    def _reserve(
        self, db: Any, stocks: Mapping[str, Stock], short: Mapping[str, int], most: Mapping[str, int], now: float
    ) -> None:
        for queue, need in short.items():
            refused = stocks[queue].refused
            if refused is not None and refused.need == need and now < refused.until:
                raise refused.again(queue, now)
        more = {queue: stocks[queue].more(now, most[queue]) for queue in short}
        try:
            granted = db.together(lambda run: _charge(run, short, more, most))
        except Exhausted as found:
            stocks[found.queue].refuse(now, short[found.queue], found)
            raise
        for queue, count in granted.items():
            stocks[queue].refill(now, short[queue], count)


def _charge(run: Run, short: Mapping[str, int], more: Mapping[str, int], most: Mapping[str, int]) -> dict[str, int]:
    run(rates.lock(short))
    granted = {}
    for queue, need in short.items():
        answer = run(rates.reserve(queue, need, more[queue], most[queue]))
        if answer.granted is None:
            # leaving the transaction takes back what other queues were charged with
            raise Exhausted(queue, answer.left, answer.retry_after)
        granted[queue] = answer.granted
    return granted
