"""The numbers of one process: plain counts under one lock, grouped a batch at a time, that only ever go up."""

from __future__ import annotations

import threading
import time
from bisect import bisect_left
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import repeat
from operator import attrgetter
from typing import TYPE_CHECKING, Final

from pgflow import OutcomeKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow import Claimed, LostJob, NewJob, Outcome, WorkerStats

OTHER: Final = "other"
NO_TASK: Final = "-"
"""The task of an entry whose job is gone."""
SILENT_SECONDS: Final = 30.0
"""A worker that has not been heard of for so long has ended."""
RAN: Final = frozenset({OutcomeKind.SUCCEEDED, OutcomeKind.FAILED, OutcomeKind.DEAD})


_place: Final = attrgetter("queue", "task")


@dataclass(slots=True)
class Classes:
    """A histogram: `counts[k]` is what is at most the k-th bound and over the one before, the last what is over all."""

    counts: list[int]
    sum: float = 0.0

    def add(self, values: Sequence[float], bounds: Sequence[float]) -> None:
        """Count some seconds."""
        for place, count in Counter(map(bisect_left, repeat(bounds), values)).items():
            self.counts[place] += count
        self.sum += sum(values)


@dataclass(slots=True)
class Names:
    """The first so many names keep their own, so that labels cannot grow without end; the rest are `other`."""

    most: int
    known: set[str] = field(default_factory=set)

    def __call__(self, name: str) -> str:
        """Give the name to count under."""
        if name not in self.known:
            if len(self.known) >= self.most:
                return OTHER
            self.known.add(name)
        return name


class Counts:
    """What has happened in this process since its start. `lock` is held where several of its numbers are read."""

    def __init__(self, bounds: Sequence[float], most_names: int) -> None:
        self.bounds = tuple(bounds)
        self.lock = threading.Lock()
        self.enqueues: Counter[tuple[str, str]] = Counter()
        self.claims: Counter[tuple[str, str]] = Counter()
        self.ends: Counter[tuple[str, str, str]] = Counter()
        self.losses: Counter[tuple[str, str, str]] = Counter()
        self.failures: Counter[tuple[str, str]] = Counter()
        self.waits: defaultdict[tuple[str], Classes] = defaultdict(self._classes)
        self.runs: defaultdict[tuple[str, str], Classes] = defaultdict(self._classes)
        self._beats: dict[str, tuple[float, WorkerStats]] = {}
        self._queue = Names(most_names)
        self._task = Names(most_names)
        self._error = Names(most_names)

    def enqueued(self, jobs: Sequence[NewJob]) -> None:
        """Count jobs that were stored."""
        # a Counter of one job, the common case, costs five times as much
        groups = {_place(jobs[0]): 1} if len(jobs) == 1 else Counter(map(_place, jobs))
        with self.lock:
            for (queue, task), count in groups.items():
                self.enqueues[self._queue(queue), self._task(task)] += count

    def claimed(self, jobs: Sequence[Claimed]) -> None:
        """Count jobs that were claimed, and the time since they could have run."""
        groups: defaultdict[tuple[str, str | None], list[float]] = defaultdict(list)
        for job in jobs:
            groups[job.queue, job.task].append(job.waited)
        with self.lock:
            for (queue, task), waits in groups.items():
                name = self._queue(queue)
                self.claims[name, self._task(task or NO_TASK)] += len(waits)
                self.waits[(name,)].add(waits, self.bounds)

    def finished(self, attempts: Sequence[Outcome]) -> None:
        """Count attempts that ended, and the run time of those that ran to an end."""
        groups: defaultdict[tuple[str, str | None, OutcomeKind], list[float]] = defaultdict(list)
        for attempt in attempts:
            job = attempt.job
            groups[job.queue, job.task, attempt.kind].append(attempt.finished - attempt.started)
        with self.lock:
            for (queue, task, kind), seconds in groups.items():
                names = self._queue(queue), self._task(task or NO_TASK)
                self.ends[*names, kind.value] += len(seconds)
                if kind in RAN:
                    self.runs[names].add(seconds, self.bounds)

    def lost(self, jobs: Sequence[LostJob]) -> None:
        """Count jobs that were taken from lapsed leases."""
        with self.lock:
            for job in jobs:
                self.losses[self._queue(job.queue), self._task(job.task), job.outcome] += 1

    def failed(self, hook: str, error: str) -> None:
        """Count an open failure."""
        with self.lock:
            self.failures[hook, self._error(error)] += 1

    def beat(self, worker: str, stats: WorkerStats) -> None:
        """Keep what a worker said last, and forget those that have ended."""
        now = time.monotonic()
        with self.lock:
            self._beats[worker] = (now, stats)
            self._beats = {one: beat for one, beat in self._beats.items() if now - beat[0] < SILENT_SECONDS}

    def beats(self) -> list[WorkerStats]:
        """What the living workers of this process said last."""
        now = time.monotonic()
        return [stats for at, stats in list(self._beats.values()) if now - at < SILENT_SECONDS]

    def _classes(self) -> Classes:
        return Classes([0] * (len(self.bounds) + 1))
