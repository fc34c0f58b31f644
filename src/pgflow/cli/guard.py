"""Ends a worker's process for certain: signals stop it gently, and a watchdog ends what does not end.

The handlers are Python's own and not the event loop's: a job that blocks the loop delays those for ever.
"""

from __future__ import annotations

import logging
import math
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import FrameType

    from pgflow.worker.bell import Bell
    from pgflow.worker.worker import Worker

logger = logging.getLogger("pgflow.worker")

SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
SLACK_SECONDS: Final = 2.0
AT_ONCE_SECONDS: Final = 1.0
PARENT_SECONDS: Final = 0.5
STOP: Final = b"s"
ENDED: Final = b"e"
JOB_THREADS: Final = "pgflow-slot"


class Guard:
    """Counts the signals, rings the worker, and exits when the grace time and two seconds more are over.

    A thread cannot be started in a signal handler without risk, so the watchdog waits on a pipe from the start.
    With `parent`, the end of that process counts as a signal.
    """

    def __init__(self, grace_seconds: float, parent: int | None = None) -> None:
        self.stops = 0
        self.last_signal = signal.SIGTERM
        self._grace = grace_seconds
        self._parent = parent
        self._pid = os.getpid()
        self._bell: Bell | None = None
        self._read, self._write = os.pipe()
        for number in SIGNALS:
            signal.signal(number, self._heed)
        threading.Thread(target=self._watch, name="pgflow-watchdog", daemon=True).start()

    async def stop_when_told(self, worker: Worker, bell: Bell) -> None:
        """Pass each signal on to the worker; the first stops it gently, the second at once."""
        self._bell = bell
        passed_on = 0
        while True:
            while passed_on < self.stops:
                passed_on += 1
                logger.info("%s: stopping%s", self.last_signal.name, " at once" if passed_on > 1 else "")
                worker.stop()
            await bell.wait()

    def ended(self) -> None:
        """Note that the worker has ended: what is left of the process has two seconds."""
        os.write(self._write, ENDED)

    def leave(self, code: int) -> None:
        """Exit here where threads are left that would hold the interpreter up; a job's thread cannot be stopped."""
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        if any(_holds_up(thread) for thread in threading.enumerate()):
            os._exit(code)

    def _heed(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._pid:
            # a job's forked child has inherited this handler, but the signal is meant for it alone
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        self.stops += 1
        self.last_signal = signal.Signals(number)
        os.write(self._write, STOP)
        if self._bell is None:
            raise SystemExit(0)
        self._bell.ring_from_thread()

    def _watch(self) -> None:
        end, stops, code = math.inf, 0, 1
        while (left := end - time.monotonic()) > 0:
            tick = PARENT_SECONDS if self._parent else None
            if not select.select([self._read], [], [], min(left, tick or left) if left < math.inf else tick)[0]:
                self._look_for_parent()
                continue
            word = os.read(self._read, 1)
            if word == ENDED:
                code, allowed = 0, 0.0
            else:
                stops += 1
                allowed = self._grace if stops == 1 else AT_ONCE_SECONDS
            end = min(end, time.monotonic() + allowed + SLACK_SECONDS)
        if code:
            os.write(2, b"error: the worker did not end in time and is ended now; its leases will lapse\n")
        os._exit(code)

    def _look_for_parent(self) -> None:
        if self._parent and os.getppid() != self._parent:
            self._parent = None
            os.kill(self._pid, signal.SIGTERM)


def _holds_up(thread: threading.Thread) -> bool:
    if thread is threading.main_thread() or thread is threading.current_thread():
        return False
    return not thread.daemon or thread.name.startswith(JOB_THREADS)
