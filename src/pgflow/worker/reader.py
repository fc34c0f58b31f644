"""Decides from where in a queue the next claim reads: its head, or the mark behind the last claimed entry.

While a snapshot is held, deleted entries stay in the index and a claim from the head pays for every job
since: from 12 to 50 us a job after 240,000. Reading on from the mark keeps it at 11.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.store.claims import HEAD

if TYPE_CHECKING:
    from pgflow.store.claims import Mark

CLAIM_SECONDS: Final = 0.0015
HEAD_SHARE: Final = 0.1
HEAD_EVERY_SECONDS: Final = 2.0
ROWS_THAT_TELL: Final = 100
ROW_SECONDS: Final = 40e-6
SMOOTHING: Final = 0.2


class Reader:
    """One queue's mark, and what claims from its head have cost beyond the usual."""

    def __init__(self) -> None:
        self.mark: Mark | None = None
        self._row_seconds = ROW_SECONDS
        self._extra = 0.0
        self._since_head = 0.0
        self._head_at = 0.0
        self.doubted = False
        self._wants_head = False

    @property
    def dear(self) -> bool:
        """True where the head is expensive, or may be and the next claim is to tell."""
        return self.doubted or self._extra > 0

    def start(self, now: float) -> Mark:
        """Say where to read from: the head, unless it is expensive and was read a short while ago."""
        if self.mark is None or self._wants_head or now - self._head_at > HEAD_EVERY_SECONDS:
            return HEAD
        return HEAD if self._since_head * HEAD_SHARE >= self._extra else self.mark

    def note(self, start: Mark, seconds: float, rows: int, mark: Mark | None, now: float, *, full: bool = True) -> None:
        """Learn from a claim that read from `start` and brought `rows`; where it was not `full` there were no more."""
        self.doubted = False
        if rows >= ROWS_THAT_TELL:
            self._learn(start, seconds / rows)
        if start is HEAD:
            self._head_at = now
            self._wants_head = False
            self._since_head = 0.0
            self._extra = max(0.0, seconds - 2 * (CLAIM_SECONDS + rows * self._row_seconds))
        else:
            self._since_head += seconds
        # what the head had left is behind: what comes next is more likely past the mark as it was
        if mark is not None and (full or start is not HEAD or self.mark is None):
            self.mark = mark

    def _learn(self, start: Mark, row_seconds: float) -> None:
        # the head may grow dearer as slowly as it likes: what is read past the dead says whether jobs themselves have
        if start is HEAD:
            self._row_seconds = min(self._row_seconds, row_seconds)
        else:
            self._row_seconds += SMOOTHING * (row_seconds - self._row_seconds)

    def want_head(self) -> None:
        """Read from the head next: there was little past the mark."""
        self._wants_head = True
