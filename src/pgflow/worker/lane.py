"""A lane: the slots of one kind of executor, and the backlog of claimed runs that wait for one."""

from __future__ import annotations

import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from pgflow.task import Context, middleware

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.worker.deadlines import Deadlines
    from pgflow.worker.hands import Hands
    from pgflow.worker.processes import Child
    from pgflow.worker.run import Run, Verdict

HORIZON_SECONDS: Final = 1.0
SMOOTHING: Final = 0.3
FORKED_EXIT: Final = 70


class Slot:
    """One place where a run can be under way."""

    __slots__ = ("child", "run")

    def __init__(self) -> None:
        self.run: Run | None = None
        self.child: Child | None = None


class Lane:
    """What all executors share: a bounded backlog, sized by the run times seen so far."""

    def __init__(
        self, slots: int, low_water: int, hands: Hands, deadlines: Deadlines, room_made: Callable[[], None]
    ) -> None:
        self.forks = forks()
        self.slots = [Slot() for _ in range(slots)]
        self.hands = hands
        self.deadlines = deadlines
        self.room_made = room_made
        self.backlog: deque[Run] = deque()
        self.low_water = low_water
        self.mean_seconds: float | None = None

    @property
    def busy(self) -> int:
        """How many slots have a run under way."""
        return sum(slot.run is not None for slot in self.slots)

    @property
    def free(self) -> int:
        """How many slots would start a run at once."""
        return max(0, len(self.slots) - self.busy - len(self.backlog))

    def room(self, batch: int) -> int:
        """How many runs may be claimed: free slots, and what will start within a second; at most two batches."""
        soon = 0.0 if self.mean_seconds is None else len(self.slots) * HORIZON_SECONDS / max(self.mean_seconds, 1e-6)
        return int(min(len(self.slots) - self.busy + soon, 2 * batch)) - len(self.backlog)

    def observe(self, seconds: float) -> None:
        """Learn from the mean run time of a flush."""
        known = self.mean_seconds
        self.mean_seconds = seconds if known is None else known + SMOOTHING * (seconds - known)

    def take_back(self) -> list[Run]:
        """Empty the backlog; gives the runs that had not started."""
        return [self.backlog.popleft() for _ in range(len(self.backlog))]

    def put(self, runs: list[Run]) -> None:
        """Take runs in order; those under a lease of their own go first, since a crash is held against them."""
        alone = dict.fromkeys([run for run in runs if run.job.suspect or run.job.max_attempts == 1])
        self.backlog.extendleft(alone)
        self.backlog.extend([run for run in runs if run not in alone] if alone else runs)

    def stop(self, run: Run, verdict: Verdict) -> None:
        """Interrupt an open run; `verdict` makes its outcome."""
        if not run.started:
            self.hands.settle(run, verdict(run))
            return
        run.verdict = verdict
        run.stopped = run.stopped or time.monotonic()
        if run.context is not None:
            run.context.cancel()
        if run.interrupt is not None:
            run.interrupt()


def begin(run: Run, deadlines: Deadlines) -> None:
    """Note that a run's code begins, and watch its deadline."""
    run.started = time.monotonic()
    timeout = run.job.timeout
    if timeout is not None:
        run.deadline = run.started + timeout
        deadlines.watch(run)


def forks() -> int:
    """How many forks this process is away from the one that first imported this. A flag costs a tenth of `getpid`."""
    return _forks


def leave_if_forked(born: int) -> None:
    """End a child that a job forked and that came back from the job's code: it is no worker, and shares its sockets."""
    if _forks != born:
        os._exit(FORKED_EXIT)


def _forked() -> None:
    global _forks  # noqa: PLW0603 - a process has one
    _forks += 1


_forks = 0
os.register_at_fork(after_in_child=_forked)


def call(run: Run, given: tuple[list[Any], dict[str, Any]]) -> Any:
    """Call a run's function within what wraps it; for an async one, what comes back is to be awaited."""
    return middleware.call(run.task.function, run.task.wiring, run.context, given)


def arguments(run: Run) -> tuple[list[Any], dict[str, Any]]:
    """Decode a run's arguments, its context first where the task asks for it. Raises `BadPayloadError`."""
    job, task = run.job, run.task
    given = task.decode(job.args, job.kwargs)
    if task.declared.bind or task.wiring.wrappers:
        run.context = Context(
            task=task.name, queue=job.queue, job_id=job.job_id, attempt=job.attempt, spent=job.spent,
            max_attempts=job.max_attempts, headers=job.headers,
        )  # fmt: skip
        if task.declared.bind:
            given[0].insert(0, run.context)
    return given
