"""Dramatiq on Redis."""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

from bench.peers.adapters.child import URL, main, noter, tuned

TUNED: Final = tuned(threads=8, prefetch=0, bare=0)
if TUNED["prefetch"]:
    os.environ["dramatiq_queue_prefetch"] = str(TUNED["prefetch"])  # noqa: SIM112  (so it is called)

import dramatiq  # noqa: E402  (it reads the prefetch when it is imported)
from dramatiq.brokers.redis import RedisBroker  # noqa: E402
from dramatiq.worker import Worker  # noqa: E402

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

logging.getLogger("dramatiq").setLevel(logging.ERROR)
broker = RedisBroker(url=URL, **({"middleware": []} if TUNED["bare"] else {}))
dramatiq.set_broker(broker)
note = noter() if "BENCH_LEDGER" in os.environ else print


@dramatiq.actor(actor_name="nothing")
def nothing(n: int) -> None:
    """Do nothing but count."""
    note(n)


class OnRedis:
    """There is no bulk way in."""

    def setup(self) -> None:
        """Redis needs no tables."""

    def open(self) -> None:
        """Connect."""
        broker.client.ping()

    def one(self, first: int, jobs: int) -> None:
        """Enqueue one by one."""
        for number in range(first, first + jobs):
            nothing.send(number)

    many = one

    def start(self, group: TaskGroup, until: int) -> None:
        """Run a worker of one process."""
        del group, until
        self.worker = Worker(broker, worker_threads=TUNED["threads"])
        self.worker.start()

    def stop(self) -> None:
        """Stop it, and wait."""
        self.worker.stop()


if __name__ == "__main__":
    main(OnRedis(), uvloop=False)
