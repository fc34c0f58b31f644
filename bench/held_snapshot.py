"""Held snapshot: rounds of enqueue and drain while a transaction elsewhere keeps every dead row.

python -m bench.held_snapshot --rounds 10 --jobs 20000

Prints the CPU a job of client and server in each round, and the last round's over the first's. A queue
whose claims start at the head pays for every entry ever deleted; ours reads on from its mark (storage rule 9).
"""

from __future__ import annotations

import argparse
import statistics

import anyio
import psycopg

from bench.tasks import app, nothing
from pgflow.bench.meter import Cost, Meter


def drain_round(dsn: str, jobs: int, backend: str) -> Cost:
    """Enqueue, then drain under the meter."""
    for first in range(0, jobs, 10_000):
        nothing.enqueue_many([((n,), {}) for n in range(first, min(first + 10_000, jobs))])
    with Meter(dsn) as meter:
        counts = anyio.run(app.worker(burst=True).run, backend=backend)
    assert counts["succeeded"] == jobs, counts
    return meter.cost


def main() -> None:
    """Run the rounds under a snapshot, and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--jobs", type=int, default=20_000, help="jobs in a round")
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    given = parser.parse_args()
    dsn = app.pool.dsn
    drain_round(dsn, given.jobs, given.backend)  # warm plans and caches
    costs = []
    with psycopg.connect(dsn) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("select count(*) from pgflow.ready")
        for number in range(1, given.rounds + 1):
            costs.append(drain_round(dsn, given.jobs, given.backend))
            print(f"round {number:2}  {costs[-1].line(given.jobs)}", flush=True)
    each = [(cost.client_cpu + (cost.server_cpu or 0.0)) / given.jobs * 1e6 for cost in costs]
    first, last = statistics.median(each[:2]), statistics.median(each[-2:])
    print(
        f"BENCH_RESULT held_snapshot jobs={given.rounds * given.jobs} first_cpu_us_per_job={first:.1f} "
        f"last_cpu_us_per_job={last:.1f} ratio={last / first:.2f}"
    )
    app.close()


if __name__ == "__main__":
    main()
