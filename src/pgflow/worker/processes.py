"""Runs CPU-bound functions in child processes: one thread here holds one child, which may be killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgflow.codes import ErrorCode
from pgflow.errors import JobError
from pgflow.model import Outcome, OutcomeKind
from pgflow.worker.judge import raised
from pgflow.worker.threads import ThreadLane

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.worker.lane import Slot
    from pgflow.worker.run import Run


class ChildDiedError(JobError):
    """The process that ran a job ended before the job did."""

    def __init__(self, exit_code: int) -> None:
        how = f"by {signal.Signals(-exit_code).name}" if exit_code < 0 else f"with exit code {exit_code}"
        super().__init__(ErrorCode.PANIC, f"the process running the job ended {how}")


class Child:
    """A child process and the two pipes to it; one JSON line each way a run."""

    def __init__(self) -> None:
        child_reads, self._write = os.pipe()
        read, child_writes = os.pipe()
        command = [sys.executable, "-m", "pgflow.worker.child", str(child_reads), str(child_writes)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p or str(Path.cwd()) for p in sys.path)}
        self.process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command,
            pass_fds=(child_reads, child_writes),
            stdin=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,
        )
        os.close(child_reads)
        os.close(child_writes)
        self._answers = os.fdopen(read, "rb")

    def ask(self, question: dict[str, Any]) -> list[Any]:
        """Have the child run one job; gives the fields of its outcome. Raises `ChildDiedError`."""
        data = json.dumps(question).encode() + b"\n"
        try:
            while data:
                data = data[os.write(self._write, data) :]
            line = self._answers.readline()
        except OSError:
            line = b""
        if not line.endswith(b"\n"):
            self.kill()
            raise ChildDiedError(self.process.wait())
        answer: list[Any] = json.loads(line)
        return answer

    def kill(self) -> None:
        """End the child now. From any thread, and more than once."""
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()

    def close(self) -> None:
        """End the child and give its pipes back."""
        self.kill()
        self.process.wait()
        os.close(self._write)
        self._answers.close()


class ProcessLane(ThreadLane):
    """Slots that are threads, each holding a child process that outlives its runs but not a kill."""

    def close(self) -> None:
        """Kill the children and let their threads end."""
        for slot in self.slots:
            if slot.run is not None and slot.run.interrupt is not None:
                slot.run.interrupt()
        super().close()

    def _work(self, slot: Slot) -> None:
        try:
            super()._work(slot)
        finally:
            if slot.child is not None:
                slot.child.close()

    def _outcome(self, run: Run, slot: Slot) -> Outcome:
        try:
            child = slot.child = slot.child or Child()
            run.interrupt = child.kill
            module, path = _where(run.task.function)
            question = {"job": run.job, "module": module, "path": path, "name": run.task.function.__qualname__}
            kind, *fields = child.ask(question)
            return Outcome(run.job, OutcomeKind(kind), run.started, time.monotonic(), *fields)
        except Exception as error:  # noqa: BLE001 - an answer that cannot be read is the end of its child too
            if slot.child is not None:
                slot.child.close()
                slot.child = None
            return raised(run, error) if run.verdict is None else run.verdict(run)


def _where(function: Callable[..., object]) -> tuple[str, str | None]:
    # a script run as __main__ is found again by its file, under the name its tasks have
    if function.__module__ != "__main__":
        return function.__module__, None
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name), None
    path = str(Path(main.__file__ or "").resolve())
    return Path(path).stem, path
