"""Real worker processes, what is done to them by signals, and a keeper that starts dead ones again."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping, Sequence

TESTS = Path(__file__).parent.parent
BACKENDS = ("asyncio", "trio")
KEEPER_SECONDS = 0.1
STOP_SECONDS = 40
ORPHAN_SECONDS = 5
START_SECONDS = 1.0
HEEDS_SECONDS = 15.0
MARK = "CHAOS_WORKER_OF"


@dataclass
class Place:
    """Where one worker after another stands, each started the same way."""

    command: list[str]
    env: dict[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    ended: list[int] = field(default_factory=list)
    started_at: float = 0.0

    def start(self) -> None:
        """Start a worker in a session of its own: a signal meant for the runner does not reach it."""
        self.started_at = time.monotonic()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command, env=self.env, cwd=self.log.parent, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True,
            )  # fmt: skip

    def has_ended(self) -> bool:
        """Say whether its worker has ended, and note how."""
        if self.process is not None and self.process.poll() is not None:
            self.ended.append(self.process.returncode)
            self.process = None
        return self.process is None


class Fleet:
    """The workers of one scenario. `env` and `url` are asked at each start, so that a setup may change them."""

    def __init__(self, directory: Path, environment: Callable[[], Mapping[str, str]]) -> None:
        self.directory = directory
        self.keeps = True
        self.kills = 0
        self.starts = 0
        self._environment = environment
        self._places: list[Place] = []
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(
        self,
        count: int,
        *,
        env: Mapping[str, str] | None = None,
        backend: str | None = None,
        argv: Sequence[str] = (),
    ) -> list[int]:
        """Start so many workers, asyncio and trio in turn where no backend is named; gives their pids."""
        with self._lock:
            first = len(self._places)
            for number in range(first, first + count):
                loop = backend or BACKENDS[number % len(BACKENDS)]
                # under this process: where that is killed, they end too
                how = ("--backend", loop, "--under", str(os.getpid()))
                command = [sys.executable, "-m", "pgflow", "worker", "-A", "chaos.tasks:app", *how, *argv]
                given = {**os.environ, "PYTHONPATH": python_path(), **self._environment(), **(env or {})}
                given[MARK] = str(self.directory)
                self._places.append(Place(command, given, self.directory / f"worker-{number}.log"))
            made = self._places[first:]
            for place in made:
                self._start(place)
            if not self._keeper.is_alive():
                self._keeper.start()
        return [place.process.pid for place in made if place.process is not None]

    def pids(self) -> list[int]:
        """The pids of those that live."""
        with self._lock:
            return [p.process.pid for p in self._places if p.process is not None and not p.has_ended()]

    def signal(self, pid: int, number: int) -> bool:
        """Signal one of the workers; False where it has ended. Only its own, whose pids cannot have gone to others."""
        with self._lock:
            for place in self._places:
                if place.process is not None and place.process.pid == pid and place.process.poll() is None:
                    place.process.send_signal(number)
                    self.kills += number == signal.SIGKILL
                    return True
        return False

    def age(self, pid: int) -> float:
        """How many seconds ago a worker was started."""
        with self._lock:
            started = [p.started_at for p in self._places if p.process is not None and p.process.pid == pid]
        return time.monotonic() - started[0] if started else 0.0

    def kill(self, rng: random.Random) -> int | None:
        """Kill one at random with SIGKILL; gives its pid, None where all are dead."""
        pids = self.pids()
        pid = rng.choice(pids) if pids else None
        if pid is not None:
            self.signal(pid, signal.SIGKILL)
        return pid

    def outfit(self, env: Mapping[str, str]) -> list[int]:
        """Give all other variables, from their next start on; gives the pids of those that live."""
        with self._lock:
            for place in self._places:
                place.env.update(env)
            return self.pids()

    def restart_dead(self) -> int:
        """Start a worker again in each place whose worker has ended, at most once a second; gives how many."""
        with self._lock:
            due = time.monotonic() - START_SECONDS
            dead = [place for place in self._places if place.has_ended() and place.started_at < due]
            for place in dead:
                self._start(place)
            return len(dead)

    def exits(self) -> list[int]:
        """How those that ended did: exit codes, signals below zero."""
        with self._lock:
            return [code for place in self._places for code in place.ended]

    def stop(self) -> list[int]:
        """Stop all gently, and by force where that is no help; gives the exit codes of those that had time to start."""
        self._closing.set()
        if self._keeper.is_alive():
            self._keeper.join()
        with self._lock:
            living = [place.process for place in self._places if place.process is not None]
            begun = time.monotonic() - HEEDS_SECONDS
            young = {place.process for place in self._places if place.started_at > begun}
        for process in living:
            process.send_signal(signal.SIGCONT)
            process.send_signal(signal.SIGTERM)
        end = time.monotonic() + STOP_SECONDS
        for process in living:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        # who has not yet come to heed signals ends as any program does
        return [p.returncode for p in living if not (p in young and p.returncode == -signal.SIGTERM)]

    def orphans(self) -> list[int]:
        """Find processes that workers, all ended by now, have left behind; they get a moment to notice."""
        end = time.monotonic() + ORPHAN_SECONDS
        while (left := list(_marked(self.directory))) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    def _start(self, place: Place) -> None:
        place.start()
        self.starts += 1

    def _keep(self) -> None:
        while not self._closing.wait(KEEPER_SECONDS):
            if self.keeps:
                self.restart_dead()


def _marked(directory: Path) -> Iterator[int]:
    # what a worker starts has its environment
    mark = f"{MARK}={directory}".encode()
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def python_path() -> str:
    """Where a child finds this pgflow and the chaos: the source tree's own first."""
    return os.pathsep.join([str(TESTS), str(TESTS.parent / "src"), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
