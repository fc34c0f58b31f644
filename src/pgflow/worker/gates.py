"""Per-task concurrency limits within one worker: a gate lets so many runs of a task into their lane at once."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from pgflow.model import Claimed
    from pgflow.worker.run import Run


class Gate:
    """One limited task: which of its runs are inside, and those that wait, as many at most."""

    __slots__ = ("inside", "limit", "waiting")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.inside: set[tuple[str, int]] = set()
        self.waiting: deque[Run] = deque()

    def admit(self, run: Run) -> None:
        """Let a run in."""
        self.inside.add((run.job.job_id, run.job.attempt))


class Gates:
    """All the gates of a worker."""

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}

    def enter(self, run: Run) -> bool | None:
        """Say what becomes of a run: True, it may go on; False, it waits here; None, there is no room for it."""
        limit = run.task.declared.concurrency
        if limit is None:
            return True
        gate = self._gates.setdefault(run.task.name, Gate(limit))
        if len(gate.inside) < gate.limit:
            gate.admit(run)
            return True
        if len(gate.waiting) < gate.limit:
            gate.waiting.append(run)
            return False
        return None

    def leave(self, jobs: Iterable[Claimed], still_open: Container[Run]) -> list[Run]:
        """Note jobs that have ended; gives the waiting runs that may now go on."""
        freed: list[Run] = []
        for job in jobs if self._gates else ():
            gate = self._gates.get(job.task or "")
            if gate is None or (job.job_id, job.attempt) not in gate.inside:
                continue
            gate.inside.remove((job.job_id, job.attempt))
            while gate.waiting and len(gate.inside) < gate.limit:
                run = gate.waiting.popleft()
                if run in still_open:
                    gate.admit(run)
                    freed.append(run)
        return freed

    def take_back(self) -> list[Run]:
        """Empty the gates; gives the runs that waited."""
        return [gate.waiting.popleft() for gate in self._gates.values() for _ in range(len(gate.waiting))]
