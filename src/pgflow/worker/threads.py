"""Runs plain functions in threads of the worker's own: a queue hand-over costs 0.2 us, `to_thread` 53 to 139."""

from __future__ import annotations

import threading
from contextvars import copy_context
from queue import SimpleQueue
from typing import TYPE_CHECKING

from pgflow.worker.judge import raised, returned
from pgflow.worker.lane import Lane, Slot, arguments, begin, call

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.model import Outcome
    from pgflow.worker.deadlines import Deadlines
    from pgflow.worker.hands import Hands
    from pgflow.worker.run import Run, Verdict


class ThreadLane(Lane):
    """Slots that are daemon threads, started with the first run.

    A thread cannot be stopped from outside: a run that overruns is reported, and its slot is back when it ends.
    """

    def __init__(
        self, slots: int, low_water: int, hands: Hands, deadlines: Deadlines, room_made: Callable[[], None]
    ) -> None:
        super().__init__(slots, low_water, hands, deadlines, room_made)
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._clean = copy_context()

    def put(self, runs: list[Run]) -> None:
        """Take runs in order and wake as many threads."""
        super().put(runs)
        while len(self._threads) < min(len(self.slots), self.busy + len(self.backlog)):
            slot = self.slots[len(self._threads)]
            thread = threading.Thread(
                target=self._work, args=(slot,), name=f"pgflow-slot-{len(self._threads)}", daemon=True
            )
            self._threads.append(thread)
            thread.start()
        for _ in runs:
            self._calls.put(True)

    def stop(self, run: Run, verdict: Verdict) -> None:
        """Settle at once, and tell the run's context: its thread goes on until the function ends."""
        super().stop(run, verdict)
        self.hands.settle(run, verdict(run))

    def close(self) -> None:
        """Let idle threads end."""
        for _ in self._threads:
            self._calls.put(False)

    def _work(self, slot: Slot) -> None:
        while self._calls.get():
            try:
                run = self.backlog.popleft()
            except IndexError:
                continue
            if len(self.backlog) == self.low_water:
                self.room_made()
            if run in self.hands.open:
                slot.run = run
                begin(run, self.deadlines)
                self.hands.settle(run, self._outcome(run, slot))
                slot.run = None
                self.room_made()

    def _outcome(self, run: Run, slot: Slot) -> Outcome:  # noqa: ARG002 - a process lane needs the slot
        try:
            value = self._clean.copy().run(call, run, arguments(run))
        except BaseException as error:  # noqa: BLE001 - nothing a job does takes the worker down
            return raised(run, error)
        return returned(run, value)
