"""Runs the command as users do, in a process of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PATIENCE_SECONDS = 60
HERE = Path(__file__).parent


class ReadyMade:
    """Runs commands in children of a process that has imported them: see ready_made.py."""

    def __init__(self) -> None:
        self._parent: subprocess.Popen[str] | None = None
        self._turn = threading.Lock()

    def run(
        self, words: Sequence[str], directory: Path, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        with self._turn, NamedTemporaryFile("r") as out, NamedTemporaryFile("r") as err:
            asked = {"words": words, "directory": str(directory), "environment": environment}
            code = self._answer(json.dumps({**asked, "out": out.name, "err": err.name}))
            return subprocess.CompletedProcess(words, code, out.read(), err.read())

    def _answer(self, question: str) -> int:
        parent = self._parent
        if parent is None or parent.poll() is not None:
            parent = self._parent = subprocess.Popen(
                [sys.executable, str(HERE / "ready_made.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                start_new_session=True,
            )  # fmt: skip
        assert parent.stdin is not None
        assert parent.stdout is not None
        timer = threading.Timer(PATIENCE_SECONDS, os.killpg, [parent.pid, signal.SIGKILL])
        timer.start()
        try:
            print(question, file=parent.stdin, flush=True)
            answer = parent.stdout.readline()
        finally:
            timer.cancel()
        assert answer, f"it did not end within {PATIENCE_SECONDS} s"
        return int(answer)


MADE = ReadyMade()


class Command:
    """Runs `python -m pgflow` in a directory of the test's own."""

    def __init__(self, directory: Path, environment: dict[str, str]) -> None:
        self.directory = directory
        self.environment = environment
        self.started: list[subprocess.Popen[str]] = []

    def __call__(self, *words: str, code: int = 0, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end, which must have this exit code."""
        done = MADE.run(words, self.directory, self.environment | environment)
        assert done.returncode == code, f"exit code {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def json(self, *words: str, code: int = 0, **environment: str) -> Any:
        """Run a command with --json; gives the document, which must be all that is on stdout."""
        return json.loads(self(*words, "--json", code=code, **environment).stdout)

    def refused(self, *words: str, code: int, **environment: str) -> str:
        """Run a command that must fail; gives its one line of stderr."""
        done = self(*words, code=code, **environment)
        lines = [line for line in done.stderr.splitlines() if "embedded PostgreSQL in" not in line or "error:" in line]
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("error: ")
        assert not done.stdout
        return lines[0]

    def start(self, *words: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command; it is killed at the end of the test where it still runs."""
        process = subprocess.Popen(
            self._line(words), cwd=self.directory, env=self.environment | environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.started.append(process)
        return process

    @staticmethod
    def _line(words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "pgflow", *words]


def until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait until a condition holds, and give what it gave."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)
    return found


def stopped(process: subprocess.Popen[str], number: int = signal.SIGTERM, *, within: float) -> tuple[int, str]:
    """Signal a process and wait for its end, at most so many seconds; gives its exit code and stderr."""
    began = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=within)
    assert time.monotonic() - began < within
    return process.returncode, errors
