"""Celery on Redis."""

from __future__ import annotations

import logging
import os
import threading
from typing import TYPE_CHECKING, Final

from celery import Celery
from celery.worker import WorkController

from bench.peers.adapters.child import URL, main, noter, tuned

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

TUNED: Final = tuned(pool="threads", concurrency=4, prefetch=256, late=0)

app = Celery("bench", broker=URL)
app.conf.update(
    task_ignore_result=True,
    task_acks_late=bool(TUNED["late"]),
    worker_prefetch_multiplier=TUNED["prefetch"],
    broker_connection_retry_on_startup=True,
    worker_send_task_events=False,
    task_send_sent_event=False,
    worker_hijack_root_logger=False,
)
note = noter() if "BENCH_LEDGER" in os.environ else print


@app.task(name="nothing")
def nothing(n: int) -> None:
    """Do nothing but count."""
    note(n)


class OnRedis:
    """There is no bulk way in: a group sends one message after the other too."""

    def setup(self) -> None:
        """Redis needs no tables."""

    def open(self) -> None:
        """Connect."""
        self.connection = app.connection_for_write()
        self.connection.ensure_connection()
        self.producer = app.amqp.Producer(self.connection)

    def one(self, first: int, jobs: int) -> None:
        """Enqueue one by one, through one producer."""
        for number in range(first, first + jobs):
            nothing.apply_async((number,), producer=self.producer)

    many = one

    def start(self, group: TaskGroup, until: int) -> None:
        """Run a worker without mingling, gossip and heartbeats, as its guide says for speed."""
        del group, until
        self.worker = WorkController(
            app=app,
            pool_cls=TUNED["pool"],
            concurrency=TUNED["concurrency"],
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
            loglevel=logging.ERROR,
        )
        self.thread = threading.Thread(target=self.worker.start, daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Leave it: the process ends with it."""


if __name__ == "__main__":
    main(OnRedis(), uvloop=False)
