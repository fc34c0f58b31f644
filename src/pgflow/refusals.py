"""Keeps what guardrails refused as decisions: each in a row of its own, a flood counted on few."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgflow.store.admin import act
from pgflow.store.statement import Statement, load

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgflow.errors import JobRejected
    from pgflow.model import NewJob
    from pgflow.store.admin import Run

AGAIN: Final = load("admin/decide_again", repeatable=False)

WINDOW_SECONDS: Final = 10.0
ROWS_A_WINDOW: Final = 10
KINDS_AT_ONCE: Final = 256
"""How many kinds of refusal are told apart: names come from outside, and a flood may bring a new one each time."""

Kind = tuple[str, str, str]


@dataclass(slots=True)
class Window:
    """Ten seconds of one kind of refusal: the rows it has, the last one's number, and what is to be added there."""

    ends: float
    rows: int = 0
    last: int | None = None
    uncounted: int = 0
    busy: bool = False


class Refusals:
    """The refusals of one process; safe to use from many threads, and begun anew in a forked child.

    For each queue, task and reason the first ten in ten seconds get rows of their own; those that follow are added to
    the `count` of the last row. The counts of all rows make up the refusals exactly, save those that were being
    counted when the process died.
    """

    def __init__(self) -> None:
        self._begin()

    def keep(self, run: Run, refusal: JobRejected, jobs: Sequence[NewJob]) -> None:
        """Keep one refusal of `jobs`. Raises `DatabaseUnavailableError` where `run` does.

        `run` must run each statement in a transaction of its own, as `pool.run` does: a refusal outlives the
        caller's transaction.
        """
        if self._pid != os.getpid():
            self._begin()
        window, gets_row = self._note(_kind(refusal, jobs[0]), time.monotonic())
        if gets_row:
            self._add_row(run, window, refusal, jobs)
        while count := self._uncounted(window):
            self._add_count(run, window, count, lambda: _decision(refusal, jobs))

    def _begin(self) -> None:
        self._windows: dict[Kind, Window] = {}
        self._lock = threading.Lock()
        self._pid = os.getpid()

    def _note(self, kind: Kind, now: float) -> tuple[Window, bool]:
        with self._lock:
            window = self._window(kind, now)
            gets_row = window.rows < ROWS_A_WINDOW
            if gets_row:
                window.rows += 1
            else:
                window.uncounted += 1
            return window, gets_row

    def _window(self, kind: Kind, now: float) -> Window:
        found = self._windows.get(kind)
        if found is not None and now < found.ends:
            return found
        if found is None and len(self._windows) >= KINDS_AT_ONCE:
            self._windows = {k: w for k, w in self._windows.items() if now < w.ends or w.uncounted}
            if len(self._windows) >= KINDS_AT_ONCE and kind[0]:
                return self._window(("", "", kind[2]), now)
        fresh = Window(now + WINDOW_SECONDS)
        if found is not None and not found.busy:
            fresh.uncounted, found.uncounted = found.uncounted, 0
        self._windows[kind] = fresh
        return fresh

    def _uncounted(self, window: Window) -> int:
        # one thread at a time writes what all have noted; the others need not wait for it
        with self._lock:
            if window.busy or window.last is None or not window.uncounted:
                return 0
            window.busy = True
            count, window.uncounted = window.uncounted, 0
            return count

    def _add_row(self, run: Run, window: Window, refusal: JobRejected, jobs: Sequence[NewJob]) -> None:
        number = run(_decision(refusal, jobs))
        with self._lock:
            window.last = max(window.last or 0, number)

    def _add_count(self, run: Run, window: Window, count: int, decision: Callable[[], Statement[int]]) -> None:
        left = count
        try:
            if run(_again(window.last, count)):
                left = 0
            else:  # the row was pruned, or all was reset
                window.last = run(decision())
                left = count - 1
        finally:
            with self._lock:
                window.busy = False
                window.uncounted += left


def _kind(refusal: JobRejected, first: NewJob) -> Kind:
    job = refusal.job or first
    return job.queue, job.task, refusal.reason_code


def _decision(refusal: JobRejected, jobs: Sequence[NewJob]) -> Statement[int]:
    job = refusal.job or jobs[0]
    details = {**(refusal.details or {}), "message": refusal.message}
    if len(jobs) > 1:
        details["jobs"] = len(jobs)
    return act.decide("ingest", job.queue, "rejected", refusal.reason_code, task=job.task, details=details)


def _again(number: int | None, count: int) -> Statement[bool]:
    return Statement(AGAIN, {"id": number, "count": count}, bool)
