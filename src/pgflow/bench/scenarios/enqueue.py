"""Enqueue: from one process that does nothing else, one job a call or ten thousand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

ONE_JOBS: Final = 2_000
MANY_JOBS: Final = 100_000
BATCH: Final = 10_000
WARM_JOBS: Final = 100


def one_by_one(bench: Bench) -> Figures:
    """Enqueue one after the other, each with a commit of its own."""
    return _enqueued(bench, bench.jobs(ONE_JOBS), 1)


def many_at_once(bench: Bench) -> Figures:
    """Enqueue by `enqueue_many`."""
    return _enqueued(bench, bench.jobs(MANY_JOBS), BATCH)


def _enqueued(bench: Bench, jobs: int, batch: int) -> Figures:
    with bench.crew(1) as crew:
        crew.do("enqueue", jobs=min(WARM_JOBS * batch, jobs), batch=batch)
        return {**bench.told(crew, "enqueue", jobs=jobs, batch=batch).figures(jobs), "workers": 1}


SCENARIOS: Final = (
    Scenario(name="enqueue-one", about="one enqueue after the other, a commit each", run=one_by_one, jobs=ONE_JOBS),
    Scenario(
        name="enqueue-many", about=f"enqueue_many, {BATCH:,} jobs a call", run=many_at_once, jobs=MANY_JOBS
    ),
)  # fmt: skip
