"""A client process that offers jobs at a steady rate, and never gives up.

    python -m chaos.load --rate 40 --seed 7

It stops on SIGTERM, and where the process that started it ends. What an error has kept it from offering is not made up
for: the rate stays what it is.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import threading
import time
from typing import TYPE_CHECKING

from chaos import tasks
from chaos.manners import BATCH, SHARES, Client
from pgflow.store import enqueues

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE_SECONDS = 1.0
JOIN_SECONDS = 0.5


def main() -> None:
    """Offer until told to stop: each manner has a thread and a seeded hazard of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, required=True, help="jobs a second")
    parser.add_argument("--seed", type=int, required=True)
    given = parser.parse_args()
    vars(enqueues)["COPIED_FROM_JOBS"] = BATCH  # two hundred at once would be too many here
    stopped, parent = threading.Event(), os.getppid()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    mix = json.loads(os.environ.get("CHAOS_MIX", "null")) or tasks.MIX
    threads = [
        threading.Thread(target=offer, args=(manner, given.rate * share, given.seed, mix, stopped))
        for manner, share in SHARES
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            # not for ever at once: a signal that another thread was given is handled when this one wakes
            thread.join(JOIN_SECONDS)
            if os.getppid() != parent:
                stopped.set()
    tasks.app.close()


def offer(
    manner: Callable[[Client, random.Random, str], None],
    rate: float,
    seed: int,
    mix: dict[str, float],
    stopped: threading.Event,
) -> None:
    """Enqueue in one manner, so often a second, until stopped."""
    dice = random.Random(f"{seed}/{manner.__name__}")  # noqa: S311 - replayable by its seed
    client = Client(os.environ["PGFLOW_DATABASE_URL"], mix)
    number, due = 0, time.monotonic() + dice.random() / rate
    while not stopped.wait(max(0.0, due - time.monotonic())):
        number += 1
        manner(client, dice, f"{seed}-{manner.__name__}-{number}")
        due = max(due + 1 / rate, time.monotonic() - PATIENCE_SECONDS)
    client.close()


if __name__ == "__main__":
    main()
