"""What this worker holds: its leases, the runs that are open under them, and the outcomes not yet stored."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pgflow.model import Claimed, Outcome
    from pgflow.worker.run import Run


class Hands:
    """Every claimed job is under one lease; a lease is over when each of its jobs has an outcome."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self.open: dict[Run, None] = {}
        self.suspects: set[Run] = set()
        self.leases: dict[str, int] = {}
        self.done: deque[Outcome] = deque()
        self._wake = wake

    def take(self, run: Run) -> None:
        """Take a run into hand; it is open until it is settled."""
        self.open[run] = None
        if run.job.suspect:
            self.suspects.add(run)

    def hold(self, jobs: Iterable[Claimed]) -> None:
        """Note the leases that jobs were claimed under."""
        for lease, count in Counter([job.lease_id for job in jobs]).items():
            self.leases[lease] = self.leases.get(lease, 0) + count

    def settle(self, run: Run, outcome: Outcome) -> bool:
        """Take the first outcome of an open run; False, and nothing done, for any later one. From any thread."""
        if self.open.pop(run, self) is self:
            return False
        if self.suspects:
            self.suspects.discard(run)
        self.done.append(outcome)
        self._wake()
        return True

    def end(self, outcome: Outcome) -> None:
        """Take the outcome of a job that never became a run."""
        self.done.append(outcome)
        self._wake()

    def take_done(self) -> list[Outcome]:
        """Take all outcomes that wait to be stored."""
        take = self.done.popleft
        return [take() for _ in range(len(self.done))]

    def over(self, outcomes: Iterable[Outcome]) -> list[str]:
        """Account for outcomes about to be stored; gives the leases that will then hold nothing more."""
        leases = self.leases
        ended = []
        for lease, count in Counter([outcome.job.lease_id for outcome in outcomes]).items():
            if lease in leases:
                leases[lease] -= count
                if not leases[lease]:
                    ended.append(lease)
        return ended

    def forget(self, leases: Iterable[str]) -> None:
        """Forget leases whose last outcome is stored."""
        for lease in leases:
            self.leases.pop(lease, None)

    def drop_lease(self, lease: str) -> list[Run]:
        """Forget a lease that is gone; gives its open runs, which are now nobody's."""
        self.leases.pop(lease, None)
        lost = [run for run in list(self.open) if run.job.lease_id == lease]
        self.suspects.difference_update(lost)
        return [run for run in lost if self.open.pop(run, self) is None]

    @property
    def empty(self) -> bool:
        """True where nothing is held and nothing waits to be stored."""
        return not (self.open or self.leases or self.done)
