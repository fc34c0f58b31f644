"""What a model of the store is made of: jobs and where they are, leases, dead letters, and what workers say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

FINAL: Final = ("succeeded", "dead", "cancelled", "expired")
AT_ONCE: Final = 0.0
SOON: Final = 0.001
"""A delay that is over when the next statement looks."""
LATE: Final = 3600.0
"""A delay that is never over by itself."""


class Run(NamedTuple):
    """One hand-over on record."""

    outcome: str
    code: str | None
    spent: int
    worker: str | None


class Hand(NamedTuple):
    """A job in a worker's hands, as its claim should say it."""

    job_id: str
    attempt: int
    spent: int
    suspect: bool
    lease: str
    expired: bool
    cancelled: bool


class End(NamedTuple):
    """How a worker says that a hand-over ended."""

    lease: str
    job_id: str
    attempt: int
    kind: str
    spent: int
    delay: float | None = None
    code: str | None = None
    reason: str | None = None
    suspect: bool = False


@dataclass(slots=True)
class Job:
    """A job and where it is: `place` is ready, scheduled, leased, or its final outcome. `runs` are its attempts."""

    id: str
    queue: str
    priority: int = 0
    max_attempts: int = 1
    key: str | None = None
    expired: bool = False
    origin: str | None = None
    root: str | None = None
    place: str = "ready"
    attempt: int = 1
    spent: int = 0
    suspect: bool = False
    alone: bool = False
    since: float = 0.0
    due: bool = False
    runs: list[Run] = field(default_factory=list)

    @property
    def order(self) -> tuple[int, float, str]:
        """Its place in its queue."""
        return -self.priority, self.since, self.id

    @property
    def state(self) -> str:
        """The word everyone sees."""
        if self.place == "scheduled":
            crashed = self.suspect and self.attempt > 1
            return "retrying" if self.spent or crashed else "scheduled"
        return {"ready": "queued", "leased": "running"}.get(self.place, self.place)


@dataclass(slots=True)
class Lease:
    """A batch in a worker's hands: (job, attempt, spent) each."""

    worker: str
    queue: str
    suspect: bool
    alone: bool
    members: list[tuple[str, int, int]]
    lapsed: bool = False


@dataclass(slots=True)
class Letter:
    """A dead letter."""

    attempt: int
    reason: str
    replayed_as: str | None = None
    discarded: bool = False

    @property
    def is_open(self) -> bool:
        """True where nobody has dealt with it."""
        return self.replayed_as is None and not self.discarded
