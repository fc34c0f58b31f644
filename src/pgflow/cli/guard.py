"""Ends a worker's process for certain: signals stop it gently, and a watchdog ends what does not end.

The handlers are Python's own and not the event loop's: a job that blocks the loop delays those for ever. A job that
keeps Python's lock in native code keeps the watchdog from running too; an alarm of the kernel's then ends the process.
"""

from __future__ import annotations

import contextlib
import faulthandler
import logging
import math
import os
import select
import signal
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

import anyio

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
HURRY: Final = b"h"
LOOK_SECONDS: Final = 1.0
LOCK_SECONDS_A_CORE: Final = 2.0
JOB_THREADS: Final = "pgflow-slot"


class Guard:
    """Counts the signals, rings the worker, and exits when the grace time and two seconds more are over.

    A thread cannot be started in a signal handler without risk, so the watchdog waits on a pipe from the start.
    With `parent`, the end of that process counts as a signal. With `lock_seconds`, the process is ended where native
    code keeps Python's lock for so much of the CPU's time.
    """

    def __init__(self, grace_seconds: float, parent: int | None = None, lock_seconds: float = 0.0) -> None:
        self.stops = 0
        self._code = 1
        self._hurry_until = math.inf
        self._lock_seconds = lock_seconds and max(lock_seconds, LOCK_SECONDS_A_CORE * (os.cpu_count() or 1))
        self.last_signal = signal.SIGTERM
        self._grace = grace_seconds
        self._parent = parent
        self._pid = os.getpid()
        self._bell: Bell | None = None
        self._read, self._write = os.pipe()
        for number in SIGNALS:
            signal.signal(number, self._heed)
        if self._lock_seconds:
            _arm_alarm()
        threading.Thread(target=self._watch_on, name="pgflow-watchdog", daemon=True).start()

    async def stop_when_told(self, worker: Worker, bell: Bell) -> None:
        """Pass each signal on to the worker; the first stops it gently, the second at once."""
        self._bell = bell
        passed_on = 0
        while True:
            while passed_on < self.stops:
                passed_on += 1
                logger.info("%s: stopping%s", self.last_signal.name, " at once" if passed_on > 1 else "")
                worker.stop()
            with anyio.move_on_after(LOOK_SECONDS):
                await bell.wait()
            self._keep_handlers()

    def ended(self, code: int = 0) -> None:
        """Note that the worker has ended: what is left of the process has two seconds, and ends with this code."""
        self._code = code
        os.write(self._write, ENDED)

    def end_within(self, seconds: float, code: int) -> None:
        """See that the process ends, with this exit code, in so many seconds and two more; for 0, here and now."""
        self._code = code
        if not seconds:
            os._exit(code)
        self._hurry_until = time.monotonic() + seconds + SLACK_SECONDS
        os.write(self._write, HURRY)

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

    def _watch_on(self) -> None:
        try:
            self._watch()
        except OSError:
            # a job has closed this process's file descriptors, and nobody could end it any more
            os._exit(1)

    def _watch(self) -> None:
        end, stops, is_over = math.inf, 0, False
        while (left := end - time.monotonic()) > 0:
            self._put_alarm_off()
            if not select.select([self._read], [], [], min(left, PARENT_SECONDS))[0]:
                self._look_for_parent()
                continue
            word = os.read(self._read, 1)
            if word == HURRY:
                end = min(end, self._hurry_until)
                continue
            if word == ENDED:
                is_over, allowed = True, 0.0
            else:
                stops += 1
                allowed = self._grace if stops == 1 else AT_ONCE_SECONDS
            end = min(end, time.monotonic() + allowed + SLACK_SECONDS)
        if not is_over:
            os.write(2, b"error: the worker did not end in time and is ended now; its leases will lapse\n")
        os._exit(self._code)

    def _put_alarm_off(self) -> None:
        if self._lock_seconds:
            signal.setitimer(signal.ITIMER_VIRTUAL, self._lock_seconds)

    def _keep_handlers(self) -> None:
        for number in SIGNALS:
            if signal.getsignal(number) != self._heed:
                logger.warning("something has taken the handler of %s away from the worker: taken back", number.name)
                signal.signal(number, self._heed)

    def _look_for_parent(self) -> None:
        if self._parent and os.getppid() != self._parent:
            self._parent = None
            os.kill(self._pid, signal.SIGTERM)


def _arm_alarm() -> None:
    # handled in C at once: it writes down where every thread is, and does what the signal does, which ends the process
    signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
    with contextlib.suppress(ValueError, OSError, AttributeError):
        faulthandler.register(signal.SIGVTALRM, file=sys.stderr, all_threads=True, chain=True)


def _holds_up(thread: threading.Thread) -> bool:
    if thread is threading.main_thread() or thread is threading.current_thread():
        return False
    return not thread.daemon or thread.name.startswith(JOB_THREADS)
