"""Starts worker processes, restarts one that dies, passes signals on, and ends when all have ended."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Final

from pgflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

logger = logging.getLogger("pgflow.supervisor")

TICK_SECONDS: Final = 0.1
STEADY_SECONDS: Final = 30.0
BACKOFF_MAX_SECONDS: Final = 30.0
KILL_AFTER_SECONDS: Final = 4.0  # a worker ends itself two seconds behind its grace time
HOPELESS: Final = (2, 3)  # bad usage or settings, no database: at the first start, trying again is no help
STARTED_SECONDS: Final = 30.0  # who lived so long has been working, and lost the database later


class Child:
    """One place for a worker process, and how the last one in it ended."""

    def __init__(self, number: int, command: Sequence[str]) -> None:
        self.number = number
        self.code = 0
        self.lives = 0
        self.tries = 0
        self.process: subprocess.Popen[bytes] | None = None
        self.start_at: float | None = 0.0
        self._command = command
        self._started = 0.0
        self.lived = 0.0

    def start(self) -> None:
        """Start a process, in a group of its own: Ctrl-C reaches it through the supervisor alone, once."""
        environment = dict(os.environ)
        if environment.get("PGFLOW_WORKER_ID"):
            environment["PGFLOW_WORKER_ID"] += f"-{self.number}"
        self.process = subprocess.Popen(self._command, process_group=0, env=environment)  # noqa: S603 - our own command
        self.lives += 1
        self.start_at = None
        self._started = time.monotonic()

    def ended(self) -> bool:
        """Say whether the process has ended just now, and note how."""
        if self.process is None or self.process.poll() is None:
            return False
        self.code, self.process = self.process.returncode, None
        self.lived = time.monotonic() - self._started
        return True

    def start_later(self) -> float:
        """Plan the next start, each later than the one before until a process stays; gives the seconds until then.

        What ended the last process is mended by it, and no part of the supervisor's exit code any more.
        """
        self.code = 0
        steady = self.lived > STEADY_SECONDS
        self.tries = 1 if steady else self.tries + 1
        pause = float(min(BACKOFF_MAX_SECONDS, 2 ** (self.tries - 1)))
        self.start_at = time.monotonic() + pause
        return pause

    def send(self, number: int) -> None:
        """Send the process a signal, where there is one."""
        if self.process is not None:
            self.process.send_signal(number)


class Supervisor:
    """Runs `count` processes of one command. With `ticks` that say True, all are restarted then, and only then."""

    def __init__(
        self,
        command: Sequence[str],
        count: int,
        *,
        grace_seconds: float,
        patience_seconds: float = 0.0,
        ticks: Iterator[bool] | None = None,
    ) -> None:
        self._children = [Child(number, command) for number in range(1, count + 1)]
        self._grace = grace_seconds
        # one that gives up for want of the database has waited for so long, and is started again
        self._started_seconds = min(STARTED_SECONDS, patience_seconds or STARTED_SECONDS)
        self._reloads = ticks is not None
        self._ticks = ticks or _clock()
        self._stops = 0
        self._kill_at = float("inf")
        self._code = 0

    def run(self) -> int:
        """Run until all have ended; gives the worst of their exit codes."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._heed)
        logger.info("starting %d worker processes", len(self._children))
        for is_changed in self._ticks:
            if is_changed and not self._stops:
                self._restart()
            for child in self._children:
                self._tend(child)
            if time.monotonic() > self._kill_at:
                self._send(signal.SIGKILL)
            if not any(child.process or child.start_at is not None for child in self._children) and self._is_over:
                break
        return max([self._code, *(self._rated(child) for child in self._children)])

    @property
    def _is_over(self) -> bool:
        return bool(self._stops) or not self._reloads

    def _tend(self, child: Child) -> None:
        if child.ended() and not self._stops:
            self._judge(child)
        if child.start_at is None or child.start_at > time.monotonic():
            return
        if self._stops:
            child.start_at = None
        else:
            child.start()

    def _judge(self, child: Child) -> None:
        if self._reloads:
            logger.info("worker %d %s; it starts again at the next change", child.number, _how(child.code))
        elif child.code in HOPELESS and child.lives == 1 and child.lived < self._started_seconds:
            logger.error("worker %d cannot start: stopping", child.number)
            self._code = child.code
            self._stop()
        elif child.code != 0:
            how, pause = _how(child.code), child.start_later()
            logger.warning("worker %d %s; starting it again in %g s", child.number, how, pause)

    def _restart(self) -> None:
        logger.info("a file changed: restarting")
        self._send(signal.SIGTERM)
        end = time.monotonic() + self._grace + KILL_AFTER_SECONDS
        for child in self._children:
            try:
                if child.process is not None:
                    child.process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.send(signal.SIGKILL)
                child.process.wait()  # type: ignore[union-attr]
            child.process, child.start_at = None, 0.0

    def _heed(self, number: int, _frame: FrameType | None) -> None:
        self._stop(number)

    def _stop(self, number: int = signal.SIGTERM) -> None:
        self._stops += 1
        self._kill_at = min(self._kill_at, time.monotonic() + self._grace + KILL_AFTER_SECONDS)
        self._send(number)

    def _send(self, number: int) -> None:
        for child in self._children:
            child.send(number)

    def _rated(self, child: Child) -> int:
        stopped_early = self._stops and child.code in (-signal.SIGTERM, -signal.SIGINT)
        return child.code if child.code >= 0 else int(not stopped_early)


def changes() -> Iterator[bool]:
    """Tick, and say whether a .py file under this directory has changed. Raises `UsageError` without watchfiles."""
    try:
        from watchfiles import PythonFilter, watch  # noqa: PLC0415 - an extra that may be missing
    except ImportError:
        msg = "--reload needs watchfiles: pip install 'pgflow[reload]'"
        raise UsageError(msg) from None
    found = watch(".", watch_filter=PythonFilter(), yield_on_timeout=True, rust_timeout=200, raise_interrupt=False)
    return (bool(some) for some in found)


def _clock() -> Iterator[bool]:
    while True:
        yield False
        time.sleep(TICK_SECONDS)


def _how(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
