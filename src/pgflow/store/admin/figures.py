"""The figures that are made of the stats rollup: frozen values, and no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import add
from typing import Final, NamedTuple

ENDS: Final = 7
NUMBERS: Final = ENDS + 2
"""How many of `Sums` are counts of attempts, and how many are plain numbers."""


class Sums(NamedTuple):
    """What the rollup says of one queue or one step: attempts by their end, and times of those that ran, seconds."""

    succeeded: int = 0
    failed: int = 0
    lost: int = 0
    dead: int = 0
    cancelled: int = 0
    expired: int = 0
    snoozed: int = 0
    wait_seconds: float = 0.0
    run_seconds: float = 0.0
    waits: Sequence[int] = ()
    runs: Sequence[int] = ()

    def plus(self, other: Sums) -> Sums:
        """Add what another queue or step had."""
        waits, runs = _plus(self.waits, other.waits), _plus(self.runs, other.runs)
        numbers = [mine + its for mine, its in zip(self[:NUMBERS], other[:NUMBERS], strict=True)]
        return Sums._make([*numbers, waits, runs])

    @property
    def jobs(self) -> int:
        """The jobs that ended, well or not."""
        return self.succeeded + self.dead + self.cancelled + self.expired

    @property
    def failures(self) -> int:
        """The attempts that failed: those that come back, those that were the last, and those lost with a worker."""
        return self.failed + self.lost + self.dead

    def share(self, part: int) -> float | None:
        """Give a part of the attempts that succeeded or failed as a share; None where there were none."""
        whole = self.succeeded + self.failures
        return part / whole if whole else None

    def mean_run(self) -> float | None:
        """Give the mean run time, seconds; None where nothing ran."""
        ran = sum(self.runs)
        return self.run_seconds / ran if ran else None


@dataclass(frozen=True, slots=True)
class QueueMinute:
    """One queue over the last 50 to 60 s: what waits and runs now, and how attempts ended.

    `jobs_per_sec` counts jobs that ended, over the seconds that were really looked at. `success_rate` and
    `retry_rate` are shares of the attempts that succeeded or failed. Latency is run time. What there was nothing to
    tell from is None.
    """

    at: datetime
    queue: str
    runnable_queue_depth: int
    running: int
    jobs_per_sec: float
    success_rate: float | None
    retry_rate: float | None
    mean_latency_ms: float | None
    p50_latency_ms: float | None
    p95_latency_ms: float | None
    p99_latency_ms: float | None
    oldest_wait_ms: float | None
    span_seconds: float
    succeeded: int
    failed: int
    depth_is_estimate: bool
    scheduled: int
    workers: int
    paused: bool


@dataclass(frozen=True, slots=True)
class Point:
    """One step of a series; `seconds` is how much of it has passed, less than a step for the last point only.

    `failed` counts failed attempts, `retried` those of them that came back and `dead` those that were the last.
    """

    at: datetime
    seconds: float
    succeeded: int
    failed: int
    retried: int
    dead: int
    jobs: int
    jobs_per_sec: float
    run_p50_ms: float | None
    run_p95_ms: float | None
    run_p99_ms: float | None
    wait_p50_ms: float | None
    wait_p95_ms: float | None
    wait_p99_ms: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Every step of a window in order, those without a job too; the last is under way. `total` is all of them."""

    at: datetime
    step_seconds: int
    points: list[Point]
    total: Point


def _plus(mine: Sequence[int], its: Sequence[int]) -> Sequence[int]:
    return list(map(add, mine, its)) if mine and its else mine or its
