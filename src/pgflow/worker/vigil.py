"""Watches over the event loop from a thread: says which job holds it up, and ends what never comes back.

What was measured of a blockage is only the time in which this thread ran itself: a process that was stopped and goes
on (SIGSTOP, a paused container) has blocked nothing.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final

from pgflow.redact import redacted_text
from pgflow.worker.bell import DEAF, thread_door
from pgflow.worker.runners import running_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from pgflow.worker.hands import Hands
    from pgflow.worker.options import WorkerOptions
    from pgflow.worker.pulse import Pulse
    from pgflow.worker.run import Run

logger = logging.getLogger("pgflow.worker")

LOOK_SECONDS: Final = 0.5
WARN_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 10.0
SAY_SECONDS: Final = 1.0
FRAMES_SHOWN: Final = 12


class Vigil:
    """Asks the event loop for an answer every half second.

    It warns when there was none for a second, again each time that doubles, and of another blockage within 10 s not at
    all. After `blocked_loop_seconds` it calls `ends`, which does not return where a process of our own may be ended;
    elsewhere the leases are let go, until the loop comes back.
    """

    def __init__(self, options: WorkerOptions, pulse: Pulse, hands: Hands) -> None:
        self._limit = options.blocked_loop_seconds
        self._pulse = pulse
        self._hands = hands
        self._asked = self._answered = 0
        self._warn_at = WARN_SECONDS
        self._quiet_until = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="pgflow-vigil", daemon=True)
        self._loop_thread = threading.get_ident()
        self._call_soon = thread_door()
        self.ends: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to watch. From the event loop's thread."""
        self._thread.start()

    def end(self) -> None:
        """Watch no more."""
        self._over.set()

    def _watch(self) -> None:
        last = time.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            now = time.monotonic()
            with contextlib.suppress(*DEAF):  # what has been asked for is not answered then
                self.look(min(now - last, 2 * LOOK_SECONDS), now)
            last = now

    def look(self, seconds: float, now: float) -> None:
        """Look once, `seconds` after the last time."""
        if self._answered == self._asked:
            self._comes_back()
            self._asked += 1
            self._call_soon(self._answer)
            return
        blocked = self._pulse.loop_seconds = self._pulse.loop_seconds + seconds
        if self._limit and blocked >= self._limit and not self._pulse.is_withheld:
            self._give_up(blocked)
        elif blocked >= self._warn_at:
            if self._warn_at > WARN_SECONDS or now >= self._quiet_until:
                _say(logging.WARNING, "%s\n%s", *self._described(blocked))
                self._quiet_until = now + QUIET_SECONDS
            self._warn_at *= 2

    def _answer(self) -> None:
        self._answered = self._asked

    def _comes_back(self) -> None:
        if self._pulse.is_withheld:
            _say(logging.WARNING, "the event loop goes on after %.1f s", self._pulse.loop_seconds)
        self._pulse.loop_seconds = 0.0
        self._pulse.is_withheld = False
        self._warn_at = WARN_SECONDS

    def _give_up(self, blocked: float) -> None:
        what, where = self._described(blocked)
        self._pulse.is_withheld = True
        limit = f"longer than PGFLOW_BLOCKED_LOOP_SECONDS={self._limit:g}"
        _say(logging.ERROR, "%s, %s: its leases will lapse\n%s", what, limit, where)
        if self.ends is not None and not self._over.is_set():
            self.ends()

    def _described(self, blocked: float) -> tuple[str, str]:
        frame = sys._current_frames().get(self._loop_thread)  # noqa: SLF001 - the documented way to a thread's stack
        run, depth = running_in(frame)
        return f"{self._culprits(run)} has held the event loop up for {blocked:.1f} s", _stack(frame, depth)

    def _culprits(self, run: Run | None) -> str:
        if run is not None:
            return f"job {run.job.job_id} of task {run.task.name}"
        now = time.monotonic()
        overdue = [one for one in list(self._hands.open) if one.deadline and one.deadline < now]
        named = ", ".join(f"job {one.job.job_id} of task {one.task.name}" for one in overdue[:3])
        return f"something (overdue: {named})" if named else "something"


def _say(level: int, message: str, *details: object) -> None:
    # what holds the loop up may be logging itself, or its reader: nobody waits for that here
    thread = threading.Thread(target=logger.log, args=(level, message, *details), daemon=True)
    thread.start()
    thread.join(SAY_SECONDS)


def _stack(frame: FrameType | None, depth: int) -> str:
    # the lines of the source only: what variables hold may be anybody's
    summary = traceback.extract_stack(frame)[-max(depth, 1) :] if frame is not None else []
    return redacted_text("".join(traceback.format_list(summary[-FRAMES_SHOWN:])).rstrip())
