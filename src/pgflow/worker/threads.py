"""Runs plain functions in threads of the worker's own: a queue hand-over costs 0.2 us, `to_thread` 53 to 139."""

from __future__ import annotations

import logging
import threading
from contextvars import copy_context
from queue import SimpleQueue
from typing import TYPE_CHECKING

from pgflow.worker.judge import raised, returned
from pgflow.worker.lane import Lane, Slot, arguments, begin, call, leave_if_forked

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.model import Outcome
    from pgflow.worker.deadlines import Deadlines
    from pgflow.worker.hands import Hands
    from pgflow.worker.run import Run, Verdict


logger = logging.getLogger("pgflow.worker")


class ThreadLane(Lane):
    """Slots that are daemon threads, started with the first run.

    A thread cannot be stopped from outside: a run that overruns is reported, and its slot is back when it ends.
    """

    def __init__(
        self, slots: int, low_water: int, hands: Hands, deadlines: Deadlines, room_made: Callable[[], None]
    ) -> None:
        super().__init__(slots, low_water, hands, deadlines, room_made)
        self._calls: SimpleQueue[bool] = SimpleQueue()
        self._parked: list[Slot] = []
        self._threads: list[threading.Thread] = []
        self._clean = copy_context()

    def put(self, runs: list[Run]) -> None:
        """Take runs in order and wake as many threads; one that is at work takes the next by itself."""
        super().put(runs)
        while len(self._threads) < min(len(self.slots), self.busy + len(self.backlog)):
            slot = self.slots[len(self._threads)]
            thread = threading.Thread(
                target=self._work, args=(slot,), name=f"pgflow-slot-{len(self._threads)}", daemon=True
            )
            try:
                thread.start()
            except RuntimeError:
                # the system has no more threads to give: those there are do the work, unless there is none
                if not self._threads:
                    raise
                break
            self._threads.append(thread)
        for _ in runs:
            if not self._called_one():
                break

    def stop(self, run: Run, verdict: Verdict) -> None:
        """Settle at once, and tell the run's context: its thread goes on until the function ends."""
        super().stop(run, verdict)
        self.hands.settle(run, verdict(run))

    def close(self) -> None:
        """Let idle threads end."""
        for _ in self._threads:
            self._calls.put(False)

    def _called_one(self) -> bool:
        # to wake a thread for each run, and not for each that is parked, makes them fight for the interpreter
        try:
            self._parked.pop()
        except IndexError:
            return False
        self._calls.put(True)
        return True

    def _work(self, slot: Slot) -> None:
        while True:
            try:
                while self.backlog:
                    self._work_once(slot)
                self._parked.append(slot)
                # what was put before it was known to be parked has called nobody
                if self.backlog:
                    self._called_one()
                if not self._calls.get():
                    return
            except BaseException as error:
                # thrown into this thread by a job elsewhere: the slot must not die of it, nor its run be forgotten
                logger.exception("a slot's thread was disturbed")
                run, slot.run = slot.run, None
                if run is not None:
                    self.hands.settle(run, raised(run, error))
                self.room_made()

    def _work_once(self, slot: Slot) -> None:
        try:
            run = self.backlog.popleft()
        except IndexError:
            return
        if len(self.backlog) == self.low_water:
            self.room_made()
        if run in self.hands.open:
            slot.run = run
            begin(run, self.deadlines)
            outcome = self._outcome(run, slot)
            leave_if_forked(self.forks)
            self.hands.settle(run, outcome)
            slot.run = None
            if not self.backlog:
                self.room_made()

    def _outcome(self, run: Run, slot: Slot) -> Outcome:  # noqa: ARG002 - a process lane needs the slot
        try:
            value = self._clean.copy().run(call, run, arguments(run))
        except BaseException as error:  # noqa: BLE001 - nothing a job does takes the worker down
            return raised(run, error)
        return returned(run, value)
