"""The shop floor: the lanes of a worker, the gates before them, and who may go where."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from pgflow.codes import ErrorCode
from pgflow.worker.gates import Gates
from pgflow.worker.processes import ProcessLane
from pgflow.worker.run import Run, ended_unstarted, released, shut_down
from pgflow.worker.runners import AsyncLane
from pgflow.worker.threads import ThreadLane

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from anyio.abc import TaskGroup

    from pgflow.model import Claimed, Outcome
    from pgflow.task import Task
    from pgflow.worker.deadlines import Deadlines
    from pgflow.worker.hands import Hands
    from pgflow.worker.lane import Lane
    from pgflow.worker.options import WorkerOptions

ASYNC_SLOTS: Final = 100
BUSY_SECONDS_MAX: Final = 30.0
STUCK_SECONDS: Final = 10.0


class Floor:
    """Puts claimed jobs into the lane of their task's executor."""

    def __init__(
        self,
        tasks: Mapping[str, Task[..., object]],
        hands: Hands,
        deadlines: Deadlines,
        options: WorkerOptions,
        room_made: tuple[Callable[[], None], Callable[[], None]],
    ) -> None:
        self.tasks = tasks
        self.hands = hands
        self.gates = Gates()
        in_loop, from_thread = room_made
        cores, concurrency, low_water = os.cpu_count() or 1, options.concurrency, options.batch
        self._async = AsyncLane(concurrency or ASYNC_SLOTS, low_water, hands, deadlines, in_loop)
        self._threads = ThreadLane(concurrency or 2 * cores, low_water, hands, deadlines, from_thread)
        self._processes = ProcessLane(concurrency or cores, low_water, hands, deadlines, from_thread)
        self.lanes: dict[str, Lane] = {"async": self._async, "thread": self._threads, "process": self._processes}

    def start(self, group: TaskGroup) -> None:
        """Start the runners; threads and processes start with their first run."""
        self._async.start(group)

    def close(self) -> None:
        """Let idle threads and all children end."""
        self._threads.close()
        self._processes.close()

    def take(self, jobs: Iterable[Claimed]) -> list[Claimed]:
        """Put jobs where they run, or end those that must not; gives those whose task is not known here."""
        tasks, lanes, take = self.tasks, self.lanes, self.hands.take
        unknown: list[Claimed] = []
        runs: dict[str, list[Run]] = {executor: [] for executor in lanes}
        for job in jobs:
            task = tasks.get(job.task or "")
            if (ended := ended_unstarted(job)) is not None:
                self.hands.end(ended)
            elif task is None:
                unknown.append(job)
            else:
                declared = task.declared
                run = Run(job, task, lanes[declared.executor])
                take(run)
                if declared.concurrency is None or self._admitted(run):
                    runs[declared.executor].append(run)
        for name, admitted in runs.items():
            if admitted:
                self.lanes[name].put(admitted)
        return unknown

    def ended(self, outcomes: Iterable[Outcome]) -> None:
        """Learn run times from outcomes, and let in what waited for them."""
        self.left(o.job for o in outcomes)
        spans: defaultdict[str | None, list[float]] = defaultdict(list)
        for outcome in outcomes:
            if outcome.finished > outcome.started:
                spans[outcome.job.task].append(outcome.finished - outcome.started)
        of_lanes: defaultdict[str, list[float]] = defaultdict(list)
        for name, seconds in spans.items():
            task = self.tasks.get(name or "")
            if task is not None:
                of_lanes[task.declared.executor] += seconds
        for executor, seconds in of_lanes.items():
            self.lanes[executor].observe(sum(seconds) / len(seconds))

    def left(self, jobs: Iterable[Claimed]) -> None:
        """Let in what waited for these jobs to end."""
        for run in self.gates.leave(jobs, self.hands.open):
            run.lane.put([run])  # type: ignore[union-attr]

    def release_unstarted(self) -> None:
        """Hand back what has not started."""
        for run in [*(run for lane in self.lanes.values() for run in lane.take_back()), *self.gates.take_back()]:
            self.hands.settle(run, shut_down(run))

    def stop_all(self) -> None:
        """Interrupt what runs and hand it back."""
        for run in list(self.hands.open):
            run.lane.stop(run, shut_down)  # type: ignore[union-attr]

    def stuck(self) -> str:
        """Name an executor whose every slot is held by a run that was given up and does not end; "" for none."""
        until = time.monotonic() - STUCK_SECONDS
        for name in self.executors:
            held = [slot.run for slot in self.lanes[name].slots]
            if all(run is not None and run not in self.hands.open and 0 < run.stopped < until for run in held):
                return name
        return ""

    @property
    def running(self) -> int:
        """How many runs are under way."""
        return sum(lane.busy for lane in self.lanes.values())

    @property
    def slots(self) -> int:
        """How many could be."""
        return sum(len(lane.slots) for name, lane in self.lanes.items() if name in self.executors)

    @property
    def executors(self) -> set[str]:
        """The executors that this worker's tasks use."""
        return {task.declared.executor for task in self.tasks.values()} or {"async"}

    def _admitted(self, run: Run) -> bool:
        admitted = self.gates.enter(run)
        if admitted is None:
            delay = min(BUSY_SECONDS_MAX, float(run.job.attempt))
            message = f"{run.task.name} runs {run.task.declared.concurrency} at a time in one worker"
            self.hands.settle(run, released(run.job, ErrorCode.TASK_BUSY, delay, message=message))
        return bool(admitted)
