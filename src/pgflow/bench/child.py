"""A process of a benchmark's own: it works, enqueues or runs the floor as lines on stdin say, and answers on stdout.

So what is measured is its alone, and its event loop is the one that `pgflow worker` would have.
"""

from __future__ import annotations

import functools
import json
import logging
import queue
import sys
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import anyio

from pgflow.bench import floor, tasks
from pgflow.hooks import hookimpl
from pgflow.worker.bell import Bell
from pgflow.worker.own import loop_options, spare_what_stays

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgflow.app import App
    from pgflow.hooks import WorkerInfo
    from pgflow.model import Outcome
    from pgflow.worker.worker import Worker

LOOK_SECONDS: Final = 0.005
OWN: Final[dict[str, Any]] = {"admin_addr": "off", "verbose_job_logs": False, "shutdown_grace_seconds": 5.0}


class Tally:
    """A plugin that tells the other side of each flush: how many runs have ended how so far, and when."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    @hookimpl
    def pgflow_attempts_finished(self, worker: WorkerInfo, attempts: Sequence[Outcome]) -> None:  # noqa: ARG002 - the hook's shape
        """Count, and tell."""
        self.counts.update([attempt.kind for attempt in attempts])
        say(ended=self.counts, at=time.monotonic())


class Child:
    """Does what it is asked, one thing after another; only `stop` is heard while it works."""

    def __init__(self, app: App, backend: str) -> None:
        self.app = app
        self._backend = backend
        self._asked: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._stop: Callable[[], None] | None = None
        threading.Thread(target=self._listen, name="pgflow-bench-ear", daemon=True).start()

    def serve(self) -> None:
        """Do what is asked until stdin ends."""
        while (asked := self._asked.get()) is not None:
            act = asked.pop("do")
            say(done=act, **(getattr(self, act)(**asked) or {}))

    def work(self, queues: list[str]) -> None:
        """Work these queues until told to stop."""
        worker = functools.partial(self._work, queues)
        anyio.run(worker, backend=self._backend, backend_options=loop_options(self._backend))

    def stop(self) -> None:
        """Answer: whatever worked has stopped."""

    def starts(self) -> dict[str, Any]:
        """Give when the jobs of `note_start` began, and forget it."""
        found, tasks.starts[:] = list(tasks.starts), []
        return {"starts": found}

    def enqueue(self, jobs: int, batch: int) -> None:
        """Enqueue so many jobs: one by one where a batch is of one."""
        task = self.app.tasks["nothing"]
        if batch == 1:
            for number in range(jobs):
                task.enqueue(number)
        for first in range(0, jobs if batch > 1 else 0, batch):
            task.enqueue_many([((number,), {}) for number in range(first, min(first + batch, jobs))])

    def floor(self, jobs: int) -> None:
        """Claim and finish so many jobs in a bare loop."""
        floor.drain(self.app.pool, jobs)

    def claim(self, jobs: int, batch: int) -> None:
        """Claim so many jobs, and do nothing with them."""
        floor.claim_only(self.app.pool, jobs, batch)

    async def _work(self, queues: list[str]) -> None:
        worker, bell = self.app.worker(queues=queues), Bell()
        self._stop = bell.ring_from_thread
        async with anyio.create_task_group() as group:
            group.start_soon(_stop_when_rung, worker, bell)
            group.start_soon(_tell_start, worker)
            spare_what_stays()
            await worker.run()
            group.cancel_scope.cancel()
        self._stop = None

    def _listen(self) -> None:
        for line in sys.stdin:
            asked = json.loads(line)
            self._asked.put(asked)
            if asked["do"] == "stop":
                self._end_work()
        self._asked.put(None)
        self._end_work()

    def _end_work(self) -> None:
        if self._stop is not None:
            self._stop()


async def _stop_when_rung(worker: Worker, bell: Bell) -> None:
    await bell.wait()
    worker.stop()


async def _tell_start(worker: Worker) -> None:
    while not worker.started:
        await anyio.sleep(LOOK_SECONDS)
    say(started=True)


def say(**answer: Any) -> None:
    """Write a line to the other side."""
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Serve the process that started this one."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    given = json.loads(sys.argv[1])
    app = tasks.make_app(dsn=given["dsn"], plugins=[Tally()], **OWN, **given["settings"])
    try:
        Child(app, given["backend"]).serve()
    finally:
        app.close()


if __name__ == "__main__":
    main()
