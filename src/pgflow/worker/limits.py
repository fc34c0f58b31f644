"""Limits of queues as one worker keeps them: policies judge each claim, and a queue that is held back rests."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from pgflow.codes import PolicyReason
from pgflow.hooks import Claim
from pgflow.store import limited

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pgflow.store import claims
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Statement
    from pgflow.worker.crew import Crew

LEAST_REST_SECONDS: Final = 0.02
BUSY_SECONDS: Final = 0.03
NOTED_SECONDS: Final = 10.0
"""How long a pause that is on record is not told to the database again by this worker."""


class Rest(NamedTuple):
    """Until when a queue is left alone. `by_limit`: while it has entries; `in_flight`: a flush may end it early."""

    until: float
    by_limit: bool
    in_flight: bool


class Limits:
    """Judges claims by the policies, and knows which queues rest. Where no plugin judges, it is never asked."""

    def __init__(self, pool: Pool, crew: Crew) -> None:
        self._pool = pool
        self._crew = crew
        self.judges = crew.hooks.has("pgflow_before_claim")
        self._rests: dict[str, Rest] = {}
        self._eases: dict[str, int] = {}
        self._noted: dict[str, tuple[str, float]] = {}

    def __bool__(self) -> bool:
        """True where any queue rests."""
        return bool(self._rests)

    def __contains__(self, queue: str) -> bool:
        """True where a queue rests."""
        return queue in self._rests

    @property
    def hold_work(self) -> bool:
        """True where a limit holds back a queue that is known to have entries."""
        return any(rest.by_limit for rest in self._rests.values())

    def judged(self, queue: str, room: int) -> Claim:
        """Have the policies judge a claim of as many as there is room for."""
        claim = Claim(self._crew.app, self._crew.info, queue, room)
        self._crew.hooks.before_claim(claim)
        claim.limit = min(claim.limit, room)
        if claim.max_in_flight is None:
            self._eases.pop(queue, None)
        else:
            self._eases.setdefault(queue, 0)
        return claim

    async def claim(self, asked: Claim, claiming: Callable[[int], Statement[claims.Claim]]) -> limited.Brought:
        """Claim within the limits, and let the queue rest where they held it back."""
        limits = limited.Limits(asked.queue, self._crew.info.id, asked.max_in_flight, asked.rate)
        eases = self._eases.get(asked.queue)
        found = await self._pool.atogether(lambda run: limited.claim(run, limits, asked.limit, claiming))
        if found.busy:
            self._rest(asked.queue, random.uniform(0.3, 1.0) * BUSY_SECONDS, by_limit=True)  # noqa: S311 - spreads load
        elif found.held:
            in_flight = found.held.reason_code == PolicyReason.IN_FLIGHT_EXCEEDED
            # what a flush of the meantime let go of may already be claimed: then it is tried again soon
            eased = in_flight and self._eases.get(asked.queue) != eases
            seconds = LEAST_REST_SECONDS if eased else asked.rest_seconds
            self._rest(asked.queue, seconds, by_limit=True, in_flight=in_flight)
        return found

    async def pause(self, asked: Claim) -> bool:
        """Let a queue rest that a policy paused, and keep why; False, and no rest, where it has no entry."""
        code = asked.reason_code or PolicyReason.HELD_BACK
        noted, until = self._noted.get(asked.queue, ("", 0.0))
        if noted != code or time.monotonic() >= until:
            held = limited.Held(code, asked.reason or "a policy let nothing through")
            if not await self._pool.arun(limited.note(asked.queue, self._crew.info.id, held)):
                return False
            self._noted[asked.queue] = code, time.monotonic() + NOTED_SECONDS
        self._rest(asked.queue, asked.rest_seconds)
        return True

    def soonest(self) -> float:
        """When the first rest ends, on the clock of `time.monotonic`."""
        return min(rest.until for rest in self._rests.values())

    def over(self) -> list[str]:
        """End the rests whose time has come; gives their queues."""
        now = time.monotonic()
        return self._end([queue for queue, rest in self._rests.items() if rest.until <= now])

    def eased(self, queues: Iterable[str]) -> list[str]:
        """Hear that jobs of these queues ended here; gives those whose rest that ends."""
        if not self._eases:
            return []
        mine = [queue for queue in set(queues) if queue in self._eases]
        for queue in mine:
            self._eases[queue] += 1
        return self._end([queue for queue in mine if queue in self._rests and self._rests[queue].in_flight])

    def _rest(self, queue: str, seconds: float, *, by_limit: bool = False, in_flight: bool = False) -> None:
        until = time.monotonic() + max(seconds, LEAST_REST_SECONDS)
        self._rests[queue] = Rest(until, by_limit, in_flight)

    def _end(self, queues: list[str]) -> list[str]:
        for queue in queues:
            self._rests.pop(queue, None)
        return queues
