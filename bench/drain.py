"""Drain: no-op jobs through one worker in this process.

python -m bench.drain --jobs N --backend asyncio|trio
"""

from __future__ import annotations

import argparse

import anyio

from bench.tasks import app, nothing, nothing_in_thread
from pgflow.bench.meter import Meter


def main() -> None:
    """Seed, drain, and print the cost of each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=50_000)
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    parser.add_argument("--threads", action="store_true", help="plain functions instead of async ones")
    given = parser.parse_args()
    task = nothing_in_thread if given.threads else nothing
    dsn = app.pool.dsn
    with Meter(dsn) as seeding:
        for first in range(0, given.jobs, 10_000):
            task.enqueue_many([((n,), {}) for n in range(first, min(first + 10_000, given.jobs))])
    with Meter(dsn) as draining:
        counts = anyio.run(app.worker(burst=True).run, backend=given.backend)
    assert counts["succeeded"] == given.jobs, counts
    print(f"enqueue_many {seeding.cost.line(given.jobs)}")
    print(f"drain        {draining.cost.line(given.jobs)}")
    app.close()


if __name__ == "__main__":
    main()
