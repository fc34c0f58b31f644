"""The budget of retries: how many of them a queue takes beside its fresh work, counted in one process."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

WINDOW_SECONDS: Final = 10
FURTHEST_SECONDS: Final = 3_600.0


class Budget:
    """Gives each retry a time, so that a queue gets `percent` of its fresh work in retries, and `floor` a second.

    Retries worth ten seconds of that pass at once; those beyond stand in line behind one another. This is the
    virtual scheduling form of the leaky bucket (ITU-T I.371, "GCRA"). Safe to use from many threads.
    """

    def __init__(self, percent: float, floor: float) -> None:
        self._share = percent / 100
        self._floor = floor
        self._lock = threading.Lock()
        self._fresh: dict[int, Counter[str]] = {}
        self._line_ends: dict[str, float] = {}
        self._pid: int | None = None

    def hold(self) -> None:
        """Hold from now on, in this process."""
        self._pid = os.getpid()

    def worked(self, counts: Mapping[str, int], now: float | None = None) -> None:
        """Count fresh work by queue."""
        second = int(time.monotonic() if now is None else now)
        with self._lock:
            for old in [at for at in self._fresh if at <= second - WINDOW_SECONDS]:
                del self._fresh[old]
            self._fresh.setdefault(second, Counter()).update(counts)

    def wait(self, queue: str, now: float | None = None) -> float:
        """Give a retry its place, and the seconds it is to be put off; 0 where it is within the budget."""
        if self._pid != os.getpid():
            return 0.0  # no worker, or a child of one that runs its jobs and knows nothing of the others
        at = time.monotonic() if now is None else now
        with self._lock:
            a_second = self._a_second(queue, int(at))
            ends = max(self._line_ends.get(queue, 0.0), at - WINDOW_SECONDS) + 1 / a_second
            self._line_ends[queue] = min(ends, at + FURTHEST_SECONDS)
            wait = self._line_ends[queue] - at
        return max(0.0, round(wait, 3))  # what is less is the sum of roundings

    def _a_second(self, queue: str, second: int) -> float:
        fresh = sum(counts[queue] for at, counts in self._fresh.items() if at > second - WINDOW_SECONDS)
        return max(self._floor, self._share * fresh / WINDOW_SECONDS)
