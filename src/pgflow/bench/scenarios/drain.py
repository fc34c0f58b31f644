"""Drain: jobs that do nothing, from the commit that brings them until the last is acknowledged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load
from pgflow.bench.turns import Kind, compare

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 50_000
IN_THREADS: Final = "nothing_in_thread"


def drain(bench: Bench, task: str = "nothing") -> Figures:
    """Drain by as many processes as were asked for."""
    load = Load(jobs=bench.jobs(JOBS), task=task)
    with bench.working(load) as crew:
        return bench.drain(crew, load).figures(load.jobs)


def in_threads(bench: Bench) -> Figures:
    """Drain plain functions, which run in threads."""
    return drain(bench, IN_THREADS)


def on_trio(bench: Bench) -> Figures:
    """Drain on trio and on asyncio, in turns."""
    load = Load(jobs=bench.jobs(JOBS))
    return compare(
        bench, Kind(name="trio", load=load, backend="trio"), Kind(name="asyncio", load=load, backend="asyncio")
    )


def by_processes(bench: Bench) -> Figures:
    """Drain by several processes and by one, in turns."""
    load, size = Load(jobs=bench.jobs(JOBS)), max(2, bench.options.processes)
    return {
        **compare(bench, Kind(name="several", load=load, size=size), Kind(name="one", load=load, size=1)),
        "workers": size,
    }


SCENARIOS: Final = (
    Scenario(
        name="drain", about="async jobs that do nothing, worked as fast as it goes", run=drain, jobs=JOBS,
        heeds=frozenset({"backend", "processes"}), drains=True,
    ),
    Scenario(
        name="threads", about="the same with plain functions, which run in threads", run=in_threads, jobs=JOBS,
        heeds=frozenset({"backend", "processes"}), drains=True,
    ),
    Scenario(
        name="trio", about="drain on trio, in turns with asyncio", run=on_trio, jobs=JOBS,
        heeds=frozenset({"processes"}), drains=True,
    ),
    Scenario(
        name="processes", about="drain by several worker processes (2 unless --processes), in turns with one",
        run=by_processes, jobs=JOBS, heeds=frozenset({"backend", "processes"}), drains=True,
    ),
)  # fmt: skip
