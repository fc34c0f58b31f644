"""The floor: claim and finish in a bare loop, the most that a worker could do on these statements."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import WARM_JOBS, Load

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 50_000


def bare(bench: Bench) -> Figures:
    """Drain by two threads on two connections, in a process of its own."""
    jobs = bench.jobs(JOBS)
    with bench.crew(1) as crew:
        warm = min(WARM_JOBS, jobs)
        bench.fill(Load(jobs=warm))
        crew.do("floor", jobs=warm)
        bench.fill(Load(jobs=jobs))
        return {**bench.told(crew, "floor", jobs=jobs).figures(jobs), "workers": 1}


FLOOR: Final = Scenario(
    name="floor", about="the same claim and finish in a bare loop: what --against floor divides by", run=bare, jobs=JOBS
)
SCENARIOS: Final = (FLOOR,)
