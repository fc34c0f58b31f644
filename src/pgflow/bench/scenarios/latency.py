"""Latency: from an enqueue's commit until the job's own code begins, on a worker with nothing else to do."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Final

from pgflow.bench.meter import Meter
from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 500
RATE: Final = 50.0
TASK: Final = "note_start"


def latency(bench: Bench) -> Figures:
    """Enqueue 50 jobs a second; the commit is known when the enqueue returns, so a job may begin before that."""
    jobs = bench.jobs(JOBS)
    with bench.working(Load(jobs=10, task=TASK), 1) as crew:
        due = crew.ended() + jobs
        with Meter(bench.dsn, crew.pids) as meter:
            called, committed = _enqueue(bench, jobs)
            crew.wait(due)
        crew.stop()
        starts = dict(crew.starts())
    from_commit = [max(0.0, starts[number] - at) for number, at in committed.items()]
    from_call = [starts[number] - at for number, at in called.items()]
    return {
        **meter.cost.figures(jobs),
        "p50_ms": at_share(from_commit, 0.5) * 1e3, "p99_ms": at_share(from_commit, 0.99) * 1e3,
        "max_ms": max(from_commit) * 1e3, "call_p50_ms": at_share(from_call, 0.5) * 1e3,
        "call_p99_ms": at_share(from_call, 0.99) * 1e3, "workers": 1,
    }  # fmt: skip


def at_share(seen: Sequence[float], share: float) -> float:
    """Give the value within which such a share of those seen lies."""
    return sorted(seen)[math.ceil(share * len(seen)) - 1]


def _enqueue(bench: Bench, jobs: int) -> tuple[dict[int, float], dict[int, float]]:
    # numbers below zero, which no job that warms has
    task = bench.app.tasks[TASK]
    called, committed = {}, {}
    due = time.monotonic()
    for number in range(-jobs, 0):
        time.sleep(max(0.0, due - time.monotonic()))
        called[number] = time.monotonic()
        task.enqueue(number)
        committed[number] = time.monotonic()
        due += 1 / RATE
    return called, committed


SCENARIOS: Final = (
    Scenario(
        name="latency", about=f"commit to the start of the job on an idle worker, {RATE:g} jobs a second", run=latency,
        jobs=JOBS, heeds=frozenset({"backend"}),
    ),
)  # fmt: skip
