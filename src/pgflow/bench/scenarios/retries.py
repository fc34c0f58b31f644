"""A retry storm: every job fails at first, and comes back by the schedule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load
from pgflow.bench.tasks import RETRY_SECONDS

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 20_000


def storm(bench: Bench) -> Figures:
    """Work jobs of two runs each, until all have succeeded."""
    load = Load(jobs=bench.jobs(JOBS), task="fail_once")
    with bench.working(load) as crew:
        failed = crew.ended("failed")
        cost = bench.drain(crew, load)
        return {**cost.figures(load.jobs), "runs_per_job": 1 + (crew.ended("failed") - failed) / load.jobs}


SCENARIOS: Final = (
    Scenario(
        name="retry-storm", about=f"every job fails once and is tried again after {RETRY_SECONDS:g} s", run=storm,
        jobs=JOBS, heeds=frozenset({"backend", "processes"}),
    ),
)  # fmt: skip
