"""When a scheduled job may next be due, as far as this worker knows without asking."""

from __future__ import annotations

import time
from typing import Final

from pgflow.worker.bell import Bell

SLACK: Final = 1.25
"""For so many polls a look holds: the next one comes before it lapses."""


class Due:
    """An idle worker's look at its queues tells the promoter too, which then need not ask; `bell` wakes that."""

    def __init__(self, poll_seconds: float) -> None:
        self.bell = Bell()
        self._poll_seconds = poll_seconds
        self._until = 0.0

    def told(self, seconds: float | None) -> None:
        """Hear from a look that none is due for `seconds`, or None for as long as anyone can see."""
        most = SLACK * self._poll_seconds
        self._until = time.monotonic() + (most if seconds is None else min(seconds, most))
        if seconds is not None and seconds < self._poll_seconds:
            self.bell.ring()

    def soon(self) -> None:
        """Hear that one was put off for a moment only: the promoter is to ask."""
        self._until = 0.0
        self.bell.ring()

    def seconds(self) -> float:
        """For how long none is due; nothing, where that is not known."""
        return self._until - time.monotonic()
