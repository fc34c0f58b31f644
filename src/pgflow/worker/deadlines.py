"""One watchdog for every deadline of a worker: a heap and a tick, instead of a timer per run."""

from __future__ import annotations

import heapq
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from pgflow.worker.judge import timed_out

if TYPE_CHECKING:
    from pgflow.worker.bell import Bell
    from pgflow.worker.hands import Hands
    from pgflow.worker.run import Run

TICK_SECONDS: Final = 0.05
STUBBORN_SECONDS: Final = 5.0


class Deadlines:
    """Stops the runs that overrun their timeout, within a tick of it."""

    def __init__(self, hands: Hands, bell: Bell) -> None:
        self._hands = hands
        self._bell = bell
        self._new: deque[Run] = deque()
        self._heap: list[tuple[float, int, Run]] = []
        self._seen = 0

    def watch(self, run: Run) -> None:
        """Stop this run at its deadline, unless it has ended by then. From any thread."""
        self._new.append(run)
        self._bell.ring_from_thread()

    async def tick_for_ever(self) -> None:
        """Look every tick while anything is watched, and sleep otherwise."""
        while True:
            if self._heap or self._new:
                await self._bell.wait(TICK_SECONDS)
            else:
                await self._bell.wait()
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Stop what is overdue; a run that will not be cancelled is given up 5 s later."""
        while self._new:
            run = self._new.popleft()
            self._push(run.deadline, run)
        while self._heap and self._heap[0][0] <= now:
            self._overdue(heapq.heappop(self._heap)[2], now)
        if len(self._heap) > 1_000 + 2 * len(self._hands.open):
            self._heap = [entry for entry in self._heap if entry[2] in self._hands.open]
            heapq.heapify(self._heap)

    def _push(self, when: float, run: Run) -> None:
        self._seen += 1
        heapq.heappush(self._heap, (when, self._seen, run))

    def _overdue(self, run: Run, now: float) -> None:
        if run not in self._hands.open:
            return
        if run.verdict is None and run.lane is not None:
            run.lane.stop(run, timed_out)
            self._push(now + STUBBORN_SECONDS, run)
        elif run.verdict is not None:
            self._hands.settle(run, run.verdict(run))
