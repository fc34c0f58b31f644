"""An adapter's process, as the comparison holds it: commands out, answers back, its runs counted in the ledger."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from bench.peers.systems import ROOT

if TYPE_CHECKING:
    from bench.peers.systems import System

ANSWER_SECONDS: Final = 240.0
STAMP_BYTES: Final = 8


class AdapterError(Exception):
    """An adapter failed, or took too long."""

    def __init__(self, system: str, how: str, said: str = "") -> None:
        super().__init__(f"{system} {how}; it said: {said.strip()[-2_000:] or 'nothing'}")


class Ledger:
    """Counts the runs of each job, and knows when every `every`th began; the adapters write it, see `child.py`."""

    def __init__(self, path: Path, jobs: int, every: int) -> None:
        self.path, self.jobs, self.every = path, jobs, every
        self._stamps_from = -(-jobs // STAMP_BYTES) * STAMP_BYTES
        path.write_bytes(bytes(self._stamps_from + STAMP_BYTES * ((jobs - 1) // every + 1)))

    def environment(self) -> dict[str, str]:
        """Give what an adapter has to know of it."""
        return {
            "BENCH_LEDGER": str(self.path),
            "BENCH_JOBS": str(self.jobs),
            "BENCH_STAMP_EVERY": str(self.every),
        }

    def unrun(self, jobs: int) -> int:
        """Count those of the first so many jobs that have not run."""
        return self.path.read_bytes()[:jobs].count(0)

    def runs(self) -> dict[int, int]:
        """Give how many jobs ran how many times."""
        return dict(Counter(self.path.read_bytes()[: self.jobs]))

    def stamps(self) -> list[int]:
        """Give when the jobs that are noted began, in ns."""
        return memoryview(self.path.read_bytes())[self._stamps_from :].cast("Q").tolist()


class Child:
    """An adapter's process: started and ready when the block is entered, gone behind it."""

    def __init__(self, system: System, url: str, ledger: Ledger, log: Path) -> None:
        self._system = system
        self._log = log
        self._env = {**os.environ, **_environment(url), **ledger.environment()}
        self._unread = b""

    def __enter__(self) -> Self:
        """Start it, and wait until it is connected."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  (an adapter of ours)
                self._system.command(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=self._env,
                cwd=ROOT,
                bufsize=0,
                start_new_session=True,
            )
        try:
            self._answer()
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End it."""
        self._end()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def do(self, what: str, **given: int) -> dict[str, Any]:
        """Have a command obeyed, and give the answer. Raises `AdapterError`."""
        assert self._process.stdin
        with suppress(BrokenPipeError):  # the answer will say that it has ended
            self._process.stdin.write(json.dumps({"do": what, **given}).encode() + b"\n")
        return self._answer()

    def check(self) -> None:
        """Raise `AdapterError` where the process has ended."""
        if self._process.poll() is not None:
            raise self._ended()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout
        until = time.monotonic() + ANSWER_SECONDS
        while b"\n" not in self._unread:
            ready, _, _ = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not ready:
                raise self._late()
            piece = os.read(self._process.stdout.fileno(), 1 << 20)
            if not piece:
                self._process.wait()
                raise self._ended()
            self._unread += piece
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _late(self) -> AdapterError:
        return self._failed(f"did not answer within {ANSWER_SECONDS:.0f} s")

    def _ended(self) -> AdapterError:
        return self._failed(f"ended with {self._process.returncode}")

    def _failed(self, how: str) -> AdapterError:
        said = self._log.read_text("utf-8", "replace") if self._log.exists() else ""
        return AdapterError(self._system.name, how, said)

    def _end(self) -> None:
        """Kill it and what it has started: nothing of it is asked for any more, and its place goes with it."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()


def make_tables(system: System, url: str) -> None:
    """Have a system make its tables. Raises `AdapterError`."""
    try:
        subprocess.run(  # noqa: S603  (an adapter of ours)
            [*system.command(), "setup"],
            env={**os.environ, **_environment(url)},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=ANSWER_SECONDS,
            check=True,
        )
    except subprocess.SubprocessError as error:
        raise AdapterError(system.name, "could not make its tables", getattr(error, "stderr", "") or "") from error


def _environment(url: str) -> dict[str, str]:
    path = f"{ROOT}{os.pathsep}{ROOT / 'src'}"
    return {"BENCH_URL": url, "PYTHONPATH": path, "NODE_ENV": "production", "PYTHONWARNINGS": "ignore"}
