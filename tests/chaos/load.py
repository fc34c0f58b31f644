"""A client process that offers jobs at a steady rate, writes every fate it hears into the ledger, and never gives up.

    python -m chaos.load --rate 40 --seed 7

It stops on SIGTERM. What an error has kept it from offering is not made up for: the rate stays what it is.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg

from chaos import tasks
from chaos.ledger import Ledger
from pgflow import JobRejected

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import Task

Call = tuple["Task[..., Any]", tuple[Any, ...]]

BATCH = 5
ROLLED_BACK = 0.25
UNIQUE_KEYS = 20
PATIENCE_SECONDS = 1.0


class Client:
    """Offers jobs; each of its manners has a thread and a seeded hazard of its own."""

    def __init__(self, url: str, ledger: Ledger, seed: int) -> None:
        self.url = url
        self.ledger = ledger
        self.seed = seed
        self.stopped = threading.Event()

    def singles(self, dice: random.Random, token: str) -> None:
        """One job, at its task's own settings."""
        task, args = any_call(dice)
        self._offer([token], task, lambda: [task.options(headers={"token": token}).enqueue(*args).id])

    def batches(self, dice: random.Random, token: str) -> None:
        """Several at once, each known by its number."""
        task, args = any_call(dice)
        tokens = [f"{token}.{n}" for n in range(BATCH)]

        def send() -> list[str]:
            # headers are an option of the call: one statement holds them all where they share the caller's transaction
            with psycopg.connect(self.url, connect_timeout=5) as conn:
                return [task.options(headers={"token": t}, conn=conn).enqueue(*args).id for t in tokens]

        self._offer(tokens, task, send)

    def special(self, dice: random.Random, token: str) -> None:
        """One that is delayed, urgent, or has a key that another may hold."""
        task, args = any_call(dice)
        options: dict[str, Any] = dice.choice(
            [
                {"delay": dice.uniform(0.5, 2.0)},
                {"priority": dice.randrange(-5, 6)},
                {"unique_key": f"key-{dice.randrange(UNIQUE_KEYS)}"},
            ]
        )
        self._offer([token], task, lambda: [task.options(headers={"token": token}, **options).enqueue(*args).id])

    def run(self, manner: Callable[[random.Random, str], None], rate: float) -> None:
        """Offer in one manner, so often a second, until stopped."""
        dice = random.Random(f"{self.seed}/{manner.__name__}")  # noqa: S311 - replayable by its seed
        number, due = 0, time.monotonic() + dice.random() / rate
        while not self.stopped.wait(max(0.0, due - time.monotonic())):
            number += 1
            manner(dice, f"{self.seed}-{manner.__name__}-{number}")
            due = max(due + 1 / rate, time.monotonic() - PATIENCE_SECONDS)

    def _offer(self, tokens: list[str], task: Task[..., Any], send: Callable[[], list[str]]) -> None:
        for token in tokens:
            self.ledger.note("asked", token=token, queue=task.declared.queue)
        try:
            ids = send()
        except JobRejected as refusal:
            for token in tokens:
                self.ledger.note("refused", token=token, queue=task.declared.queue, reason_code=refusal.reason_code)
        except Exception as error:  # noqa: BLE001 - whatever it was, the fate of these is unknown, and the next are offered
            for token in tokens:
                self.ledger.note("unanswered", token=token, error=repr(error))
        else:
            for token, job_id in zip(tokens, ids, strict=True):
                self.ledger.note("enqueued", token=token, job_id=job_id)


def any_call(dice: random.Random) -> Call:
    """Draw a task and its arguments."""
    kind = dice.choices(range(len(MIX)), [weight for weight, _ in MIX])[0]
    return MIX[kind][1](dice)


MIX: list[tuple[int, Callable[[random.Random], Call]]] = [
    (40, lambda _: (tasks.quick, ())),
    (10, lambda _: (tasks.keeping, ())),
    (15, lambda _: (tasks.threaded, ())),
    (6, lambda _: (tasks.elsewhere, ())),
    (8, lambda dice: (tasks.flaky, (dice.randrange(1, 4),))),
    (4, lambda _: (tasks.snoozing, ())),
    (3, lambda _: (tasks.dying, ())),
    (3, lambda dice: (tasks.slow, (dice.uniform(1, 3),))),
    (2, lambda dice: (tasks.slow_thread, (dice.uniform(1, 2),))),
    (9, lambda _: (tasks.limited, ())),
]


def main() -> None:
    """Offer until told to stop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="jobs a second")
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    client = Client(os.environ["PGFLOW_DATABASE_URL"], Ledger(os.environ["CHAOS_LEDGER"]), given.seed)
    signal.signal(signal.SIGTERM, lambda *_: client.stopped.set())
    shares: list[tuple[Callable[[random.Random, str], None], float]] = [
        (client.singles, 0.6),
        (client.batches, 0.2 / BATCH),
        (client.special, 0.2),
    ]
    threads = [threading.Thread(target=client.run, args=(manner, given.rate * share)) for manner, share in shares]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    tasks.app.close()


if __name__ == "__main__":
    main()
