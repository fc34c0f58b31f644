"""Many queues: as many jobs, spread over a thousand queues, in turns with all in one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load
from pgflow.bench.turns import Kind, compare

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 20_000
QUEUES: Final = 1_000


def many(bench: Bench) -> Figures:
    """Drain from a thousand queues."""
    jobs = bench.jobs(JOBS)
    return compare(
        bench, Kind(name="many", load=Load(jobs=jobs, queues=QUEUES)), Kind(name="one_queue", load=Load(jobs=jobs))
    )


SCENARIOS: Final = (
    Scenario(
        name="many-queues", about=f"drain from {QUEUES:,} queues, in turns with one", run=many, jobs=JOBS,
        heeds=frozenset({"backend", "processes"}), drains=True,
    ),
)  # fmt: skip
