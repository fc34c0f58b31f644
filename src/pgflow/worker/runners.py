"""Runs async tasks on the event loop: a fixed number of long-lived runners, each with one cancel scope.

A task per job costs 18 to 24 us, `fail_after` 11 to 17; a runner that takes the next run from a deque 1. To wake one
costs 5: one that is woken wakes two more while there is more to run, so that all are soon at work where jobs wait, and
where none does one runner goes through a whole batch.
"""

from __future__ import annotations

import asyncio
import math
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

import anyio

from pgflow.worker.bell import on_trio
from pgflow.worker.judge import raised, returned
from pgflow.worker.lane import Lane, Slot, arguments, begin, call, leave_if_forked

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextvars import Context as Variables
    from types import FrameType

    from anyio.abc import TaskGroup

    from pgflow.worker.deadlines import Deadlines
    from pgflow.worker.hands import Hands
    from pgflow.worker.run import Run


class AsyncLane(Lane):
    """Slots that are runners on the event loop."""

    def __init__(
        self, slots: int, low_water: int, hands: Hands, deadlines: Deadlines, room_made: Callable[[], None]
    ) -> None:
        super().__init__(slots, low_water, hands, deadlines, room_made)
        self._parked: list[anyio.Event] = []
        self._cancelled = anyio.get_cancelled_exc_class()
        self._clean: Variables = copy_context()
        self._group: TaskGroup | None = None

    def start(self, group: TaskGroup) -> None:
        """Start the runners."""
        self._group = group
        self._clean = copy_context()
        for slot in self.slots:
            group.start_soon(self._work, slot)

    def put(self, runs: list[Run]) -> None:
        """Take runs in order and wake a runner, who wakes others."""
        super().put(runs)
        self._wake(1)

    def _wake(self, most: int) -> None:
        for _ in range(min(most, len(self._parked))):
            self._parked.pop().set()

    async def _work(self, slot: Slot) -> None:
        # a run that sets context variables retires its runner: the next run must not see them
        while copy_context() == self._clean:
            with anyio.CancelScope() as scope:
                try:
                    await self._work_in(slot, scope)
                except self._cancelled:
                    if scope.cancel_called or _is_cancelled_from_outside():
                        raise
                    _forget_stray_cancel()
                finally:
                    slot.run = None
        if self._group is not None:
            self._clean.run(self._group.start_soon, self._work, slot)

    async def _work_in(self, slot: Slot, scope: anyio.CancelScope) -> None:
        backlog, low_water, interrupt, clean = self.backlog, self.low_water, scope.cancel, self._clean
        while True:
            while not backlog:
                await self._woken()
            run = backlog.popleft()
            if len(backlog) == low_water:
                self.room_made()
            if run not in self.hands.open:
                continue
            slot.run = run
            run.interrupt = interrupt
            await self._one(run, scope)
            slot.run = None
            if not backlog:
                self.room_made()
            if run.stopped or copy_context() != clean:
                return

    async def _woken(self) -> None:
        event = anyio.Event()
        self._parked.append(event)
        await event.wait()
        if len(self.backlog) > 1:
            self._wake(2)

    async def _one(self, run: Run, scope: anyio.CancelScope) -> None:
        begin(run, self.deadlines)
        try:
            coroutine: Any = call(run, arguments(run))
            value = await coroutine
        except self._cancelled as error:
            if scope.cancel_called or _is_cancelled_from_outside():
                if run.verdict is not None:
                    self.hands.settle(run, run.verdict(run))
                raise
            _forget_stray_cancel()
            self.hands.settle(run, raised(run, error))
        except BaseException as error:  # noqa: BLE001 - nothing a job does takes the worker down
            leave_if_forked(self.forks)
            self.hands.settle(run, raised(run, error) if run.verdict is None else run.verdict(run))
        else:
            leave_if_forked(self.forks)
            self.hands.settle(run, returned(run, value))


def _is_cancelled_from_outside() -> bool:
    return anyio.current_effective_deadline() == -math.inf


def _forget_stray_cancel() -> None:
    # a job that cancels its own asyncio task aims at itself, not at the runner it was lent
    task = None if on_trio() else asyncio.current_task()
    while task is not None and task.cancelling():
        task.uncancel()


def running_in(frame: FrameType | None) -> tuple[Run | None, int]:
    """Find the run whose code a stack is in, from its innermost frame, and how many frames it is deep in there."""
    depth = 0
    while frame is not None:
        if frame.f_code is AsyncLane._one.__code__:  # noqa: SLF001 - of this module
            run: Run | None = frame.f_locals.get("run")
            return run, depth
        depth += 1
        frame = frame.f_back
    return None, depth
