"""Real worker processes of a test's, and a keeper that starts those again that have died."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


class Fleet:
    """Starts `pgflow worker` in a directory of the test's; each process's stderr is a file there."""

    def __init__(self, url: str, directory: Path, backend: str) -> None:
        self.directory = directory
        self.backend = backend
        self.started: list[subprocess.Popen[bytes]] = []
        self.words: tuple[str, ...] = ("-A", "poison_tasks:app")
        self.environment = {
            **os.environ,
            "PGFLOW_DATABASE_URL": url,
            "PGFLOW_LEASE_SECONDS": "2",
            "PGFLOW_REAP_INTERVAL_MS": "200",
            "PGFLOW_POLL_INTERVAL_MS": "100",
            "PGFLOW_DATASET_BUCKET": "none",
            "PGFLOW_SHUTDOWN_GRACE_SECONDS": "1",
            "PYTHONPATH": os.pathsep.join([str(HERE), *sys.path]),
        }

    def start(self, *words: str, **environment: str) -> subprocess.Popen[bytes]:
        """Start a worker."""
        command = [sys.executable, "-m", "pgflow", "worker", "--backend", self.backend, *self.words, *words]
        with self._log(len(self.started)).open("wb") as log:
            self.started.append(
                subprocess.Popen(
                    command,
                    cwd=self.directory,
                    env=self.environment | environment,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                )
            )
        return self.started[-1]

    def keep(self, count: int, **environment: str) -> None:
        """Have so many alive."""
        alive = sum(process.poll() is None for process in self.started)
        for _ in range(count - alive):
            self.start(**environment)

    def said(self, number: int = -1) -> str:
        """What a worker has written."""
        return self._log(number % len(self.started)).read_text("utf-8", "replace")

    def close(self) -> None:
        """Kill those that are left."""
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()

    def _log(self, number: int) -> Path:
        return self.directory / f"worker-{number}.log"


def until(condition: Callable[[], Any], seconds: float = 30, doing: Callable[[], Any] = lambda: None) -> Any:
    """Wait until a condition holds, and give what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        doing()
        time.sleep(0.05)
    return found
