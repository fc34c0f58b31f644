"""A scheduled storm: jobs that are all due at one instant."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from pgflow.bench.meter import Meter
from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load
from pgflow.store.statement import Query, Statement

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures
    from pgflow.store.sending import Transaction

JOBS: Final = 10_000
LEAST_DELAY_SECONDS: Final = 2.0
FILLED_PER_SECOND: Final = 20_000
NOW: Final = Query("bench/now", "select extract(epoch from now())::double precision")


def storm(bench: Bench) -> Figures:
    """Wait for the instant; the rate counts from there, the CPU from the commit."""
    jobs = bench.jobs(JOBS)
    load = Load(jobs=jobs, delay=LEAST_DELAY_SECONDS + jobs / FILLED_PER_SECOND)
    with bench.working(Load(jobs=min(1_000, jobs))) as crew:
        begun = crew.ended()
        with bench.pool.transaction(patient=True) as opened:
            opened.run(load.statement())
            due = _moment(bench, opened) + (load.delay or 0.0)
        with Meter(bench.dsn, crew.pids) as meter:
            first = crew.wait(begun + 1)
            last = crew.wait(begun + jobs)
    cost = replace(meter.cost, wall=last - due)
    return {**cost.figures(jobs), "first_ms": (first - due) * 1e3, "all_ms": (last - due) * 1e3}


def _moment(bench: Bench, opened: Transaction) -> float:
    # the transaction's now(), on the clock that processes of this machine share
    clock = opened.run(Statement(NOW, {}, lambda rows: float(rows[0][0])))
    return clock - bench.pool.clock_offset() - time.time() + time.monotonic()


SCENARIOS: Final = (
    Scenario(
        name="scheduled-storm", about="jobs that are all due at one instant, from that instant on", run=storm,
        jobs=JOBS, heeds=frozenset({"backend", "processes"}),
    ),
)  # fmt: skip
