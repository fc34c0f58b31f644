"""What a child process of a worker runs: jobs, one at a time, asked and answered by JSON lines over two pipes."""

from __future__ import annotations

import contextlib
import functools
import importlib
import importlib.util
import json
import os
import signal
import sys
import threading
import time
from queue import SimpleQueue
from typing import Any

from pgflow.errors import TaskDefinitionError
from pgflow.model import Claimed
from pgflow.task import Task
from pgflow.worker.judge import raised, returned
from pgflow.worker.lane import arguments, call
from pgflow.worker.run import Run


def main(read: int, write: int) -> None:
    """Serve until the worker closes its end; a job that runs then ends with the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # what a job forks must not keep the pipes open: the worker would wait for an answer for ever
    os.register_at_fork(after_in_child=lambda: _close(read, write))
    questions: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read_for_ever, args=(read, questions), daemon=True).start()
    while True:
        answer = json.dumps(_run(json.loads(questions.get()))).encode() + b"\n"
        while answer:
            answer = answer[os.write(write, answer) :]


def _close(*descriptors: int) -> None:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            os.close(descriptor)


def _read_for_ever(read: int, questions: SimpleQueue[bytes]) -> None:
    with os.fdopen(read, "rb") as lines:
        for line in lines:
            questions.put(line)
    os._exit(0)


def _run(question: dict[str, Any]) -> list[Any]:
    job = Claimed(*question["job"])
    try:
        run = Run(job, _find_task(question["module"], question["path"], question["name"]))
    except Exception as error:  # noqa: BLE001 - whatever the module raises is the job's failure
        return ["failed", job.spent + 1, 60.0, "UNKNOWN", f"cannot import {question['module']}: {error!r}"]
    run.started = time.monotonic()
    try:
        outcome = returned(run, call(run, arguments(run)))
    except BaseException as error:  # noqa: BLE001 - the worker is told, whatever it is
        outcome = raised(run, error)
    return [outcome.kind, *outcome[4:]]


@functools.cache
def _find_task(module_name: str, path: str | None, name: str) -> Task[..., Any]:
    module = importlib.import_module(module_name) if path is None else _load_script(module_name, path)
    found: Any = module
    for part in name.split("."):
        found = getattr(found, part)
    if not isinstance(found, Task):
        msg = f"{module_name}.{name} is not a task there"
        raise TaskDefinitionError(msg)
    found.door.prepare()
    return found


def _load_script(module_name: str, path: str) -> Any:
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        msg = f"cannot load {path}"
        raise ImportError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
