"""The rota: a worker's queues in their turns, which of them have work, and which of them one claim asks together."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from pgflow.store.claims import HEAD
from pgflow.worker.reader import CLAIM_SECONDS, ROW_SECONDS, ROWS_THAT_TELL, Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pgflow.store.claims import Mark
    from pgflow.store.limited import Brought

TOGETHER_MOST: Final = 128
SMOOTHING: Final = 0.3
QUEUE_SECONDS: Final = 0.0001
"""What one more queue costs a claim that asks several, empty or not."""
DEAR: Final = 4.0


class QueueState:
    """What a claimer knows of one queue: whether it has work, where it was read, and the executors it feeds.

    Until jobs of it were seen these are not known. One that `lacks_leases` may have jobs to be leased alone that wait
    for one to end. One that is `limited` is claimed from in a transaction of its own.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.hot = False
        self.wakes = 0
        self.lacks_leases = False
        self.limited = False
        self.reader = Reader()
        self.executors: frozenset[str] = frozenset()

    @property
    def apart(self) -> bool:
        """True where no other queue is to be asked in the same claim."""
        return self.limited or self.reader.dear


class Room(NamedTuple):
    """How many jobs a claim may bring from one queue, and how many from all that feed the same executors."""

    own: int
    shared: int


NO_ROOM: Final = Room(0, 0)


class Turn(NamedTuple):
    """A queue that a claim asks, for how many jobs at most, and how often it had been woken by then."""

    state: QueueState
    most: int
    wakes: int


class Rota:
    """Queues take turns; those with little in them take one together."""

    def __init__(self, names: Iterable[str]) -> None:
        self._states = {name: QueueState(name) for name in names}
        self._order = list(self._states.values())
        self._row_seconds = ROW_SECONDS
        self._each = float(TOGETHER_MOST) / 8

    def __iter__(self) -> Iterator[QueueState]:
        """Go through the queues, the next one first."""
        return iter(self._order)

    def __len__(self) -> int:
        """Count the queues."""
        return len(self._order)

    def get(self, name: str) -> QueueState | None:
        """Find a queue by its name."""
        return self._states.get(name)

    def heat(self, names: Iterable[str]) -> None:
        """Hear that these queues have work."""
        for name in names:
            self._states[name].hot = True

    def up(self, room_for: Callable[[QueueState], Room]) -> tuple[dict[QueueState, int], int]:
        """The queues whose turn it is, each with how many of its jobs may be claimed, and how many of them all.

        None where no work is known, or no room.
        """
        up: dict[QueueState, int] = {}
        room = most = 0
        for state in self._order:
            own, shared = room_for(state) if state.hot else NO_ROOM
            if own <= 0:
                continue
            if not up:
                room, most = shared, self._together_most(state, shared)
            elif state.apart or shared < room:
                continue
            up[state] = own
            if len(up) == most:
                break
        return up, room

    def took_turns(self, states: Sequence[QueueState]) -> None:
        """Put queues behind all others."""
        if len(self._order) > 1:
            taken = set(states)
            self._order = [*(state for state in self._order if state not in taken), *states]

    def told(self, turns: Sequence[Turn], room: int, start: Mark, found: Brought, *, lacks_leases: bool) -> None:
        """Learn from a claim of up to `room` jobs, of queues read from `start`, which of them have no more."""
        reached = self._reached(turns, room, found, lacks_leases=lacks_leases)
        self.took_turns([turn.state for turn in reached])
        if len(turns) == 1:
            self._told_of_one(turns[0].state, start, found)
        else:
            self._told_of_many(reached, found)
        full = len(found.jobs) >= room
        for turn, claim in zip(reached, found.claims, strict=False):
            state = turn.state
            state.lacks_leases = lacks_leases
            if found.busy or found.held:
                state.hot = False
            elif len(claim.jobs) < turn.most and not (full and turn is reached[-1]):
                # past a mark there may be little: only the head says that a queue is empty, and only of the time before
                # the claim began
                if start is not HEAD:
                    state.reader.want_head()
                state.hot = start is not HEAD or state.wakes != turn.wakes

    @staticmethod
    def _reached(turns: Sequence[Turn], room: int, found: Brought, *, lacks_leases: bool) -> Sequence[Turn]:
        # a claim reads on until it has enough, of which it leaves what lacks a lease
        if len(turns) == 1 or (len(found.jobs) < room and not lacks_leases):
            return turns
        return turns[: 1 + max((nth for nth, claim in enumerate(found.claims) if claim.jobs), default=len(turns))]

    def _told_of_one(self, state: QueueState, start: Mark, found: Brought) -> None:
        if found.allowed:
            jobs, mark = found.claims[0]
            state.reader.note(
                start, found.seconds, len(jobs), mark, time.monotonic(), full=len(jobs) >= found.allowed
            )  # fmt: skip

    def _told_of_many(self, reached: Sequence[Turn], found: Brought) -> None:
        rows = len(found.jobs)
        self._each += SMOOTHING * (rows / len(reached) - self._each)
        if found.seconds > DEAR * (CLAIM_SECONDS + len(reached) * QUEUE_SECONDS + rows * self._row_seconds):
            # one of their heads may be full of the dead: asked one by one, they say whose. Or jobs have grown
            for turn in reached:
                turn.state.reader.doubted = True
            self._row_seconds *= 2
        elif rows >= ROWS_THAT_TELL:
            self._row_seconds = min(self._row_seconds, found.seconds / rows)

    def _together_most(self, first: QueueState, room: int) -> int:
        # twice as many as should do; what is asked without need costs a claim next to nothing
        if first.apart:
            return 1
        return max(2, min(TOGETHER_MOST, math.ceil(2 * room / max(self._each, 1.0))))
