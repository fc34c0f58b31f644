"""Enqueues of one event loop that travel together: what comes while others are under way shares the next trip.

Nobody waits for company. A call alone goes at once; with many at once a commit, and a hop to a thread, serve them all.
"""

from __future__ import annotations

import threading
from contextvars import Context, copy_context
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

import anyio
import anyio.to_thread

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgflow.model import NewJob

TRIPS_AT_ONCE: Final = 2
PARCELS_A_TRIP: Final = 500

Answer: TypeAlias = list[str] | BaseException


class Parcel(NamedTuple):
    """What one call asks to have stored, and the context in which hooks are to judge it."""

    jobs: Sequence[NewJob]
    context: Context


Store: TypeAlias = "Callable[[Sequence[Parcel]], Sequence[Answer]]"


class _Call:
    # one call that waits; its turn comes where it is to lead a trip, and where its trip is over
    __slots__ = ("is_called", "parcel", "place", "trip", "turn")

    def __init__(self, jobs: Sequence[NewJob]) -> None:
        self.parcel = Parcel(jobs, copy_context())
        self.turn = anyio.Event()
        self.is_called = False
        self.trip: _Trip | None = None
        self.place = 0


class _Trip:
    # some calls stored together, once: a leader that comes later, since the first was cancelled, waits for the end
    def __init__(self, calls: list[_Call], store: Store) -> None:
        self.calls = calls
        self.leader = calls[0]
        self.answers: Sequence[Answer] | None = None
        self.is_over = False
        self._parcels = [call.parcel for call in calls]
        self._store = store
        self._lock = threading.Lock()
        for place, call in enumerate(calls):
            call.trip, call.place = self, place

    def go(self) -> Sequence[Answer]:
        with self._lock:
            if self.answers is None:
                self.answers = self._store(self._parcels)
            return self.answers


class Gathering:
    """The calls of one event loop, of whichever kind. `store` is called in a thread, and raises nothing."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._limiter = anyio.CapacityLimiter(2 * TRIPS_AT_ONCE)
        self._waiting: list[_Call] = []
        self._under_way = 0

    async def put(self, jobs: Sequence[NewJob]) -> list[str]:
        """Store jobs and give their ids, once they are committed. Raises what `store` answers to this call."""
        call = _Call(jobs)
        self._waiting.append(call)
        if self._under_way < TRIPS_AT_ONCE:
            self._under_way += 1
            _call_up(call)
        try:
            with anyio.CancelScope(shield=True):
                answer = await self._answer(call)
        except BaseException:
            # asyncio's own cancellation heeds no shield: others of the trip must not wait for who is gone
            self._leave(call)
            raise
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def _answer(self, call: _Call) -> Answer:
        await call.turn.wait()
        trip = call.trip or self._begun(call)
        answers = trip.answers
        if trip.leader is call:
            if answers is None:
                answers = await anyio.to_thread.run_sync(trip.go, limiter=self._limiter)
            self._end(trip)
        assert answers is not None  # noqa: S101 - who does not lead is woken when there are
        return answers[call.place]

    def _begun(self, leader: _Call) -> _Trip:
        # those called up begin trips of their own
        going = [leader, *(call for call in self._waiting if not call.is_called)][:PARCELS_A_TRIP]
        trip = _Trip(going, self._store)
        self._waiting = [call for call in self._waiting if call.trip is None]
        return trip

    def _end(self, trip: _Trip) -> None:
        trip.is_over = True
        for call in trip.calls:
            call.turn.set()
        self._pass_on()

    def _pass_on(self) -> None:
        following = next((call for call in self._waiting if not call.is_called), None)
        if following is None:
            self._under_way -= 1
        else:
            _call_up(following)

    def _leave(self, call: _Call) -> None:
        trip = call.trip
        if trip is None:
            self._waiting.remove(call)
            if call.is_called:
                self._pass_on()
            return
        trip.calls.remove(call)
        if trip.leader is not call or trip.is_over:
            return
        if trip.answers is not None:
            self._end(trip)
        elif trip.calls:
            trip.leader = trip.calls[0]
            trip.leader.turn.set()
        else:
            self._pass_on()


def _call_up(call: _Call) -> None:
    call.is_called = True
    call.turn.set()
