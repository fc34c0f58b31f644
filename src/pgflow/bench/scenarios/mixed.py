"""Mixed: one process enqueues in bulk while the workers drain, as fast as both go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.meter import Meter
from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 50_000
BATCH: Final = 500


def mixed(bench: Bench) -> Figures:
    """Enqueue and drain at once; the clients are the workers and the process that enqueues."""
    jobs = bench.jobs(JOBS)
    with bench.crew(1) as producer, bench.working(Load(jobs=jobs)) as workers:
        warm = min(BATCH, jobs)
        due = workers.ended() + warm
        producer.do("enqueue", jobs=warm, batch=BATCH)
        workers.wait(due)
        due += jobs
        with Meter(bench.dsn, producer.pids + workers.pids) as meter:
            producer.do("enqueue", jobs=jobs, batch=BATCH)
            workers.wait(due)
        return meter.cost.figures(jobs)


SCENARIOS: Final = (
    Scenario(
        name="mixed", about=f"enqueue_many of {BATCH} and drain at once", run=mixed, jobs=JOBS,
        heeds=frozenset({"backend", "processes"}),
    ),
)  # fmt: skip
