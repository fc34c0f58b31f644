"""Held: rounds of drain while a transaction elsewhere keeps every deleted row, and what then comes out of turn.

A queue whose claims start at the head pays for every entry ever deleted; pgflow reads on from its mark.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load
from pgflow.bench.turns import medians, ratio
from pgflow.store.statement import Query, Statement, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.bench.crew import Crew
    from pgflow.bench.stage import Bench, Figures
    from pgflow.store.sending import Transaction

JOBS: Final = 200_000
ROUNDS: Final = 10
LATE_JOBS: Final = 10
URGENT_JOBS: Final = 3
PAUSE_SECONDS: Final = 0.3
FREEZE: Final = Query("bench/freeze", "set transaction isolation level repeatable read")
LOOK: Final = Query("bench/look", "select count(*) from pgflow.ready")
TASK: Final = "note_start"


def snapshot(bench: Bench) -> Figures:
    """Drain under a snapshot, then enqueue a few urgent jobs into a backlog."""
    load = _round(bench)
    with bench.working(load) as crew:
        with _snapshot(bench):
            figures = _rounds(bench, crew, load)
            due, urgent = _urgent(bench, crew, load)
            crew.wait(due)
        return {**figures, "urgent_start_s": _latest(crew, urgent)}


def transaction(bench: Bench) -> Figures:
    """Drain while a transaction that has enqueued stays open, then commit it into a backlog."""
    load = _round(bench)
    with bench.working(load) as crew:
        with bench.pool.transaction(patient=True) as opened:
            _enqueue_late(bench, opened)
            figures = _rounds(bench, crew, load)
            due, urgent = _urgent(bench, crew, load)
            due += LATE_JOBS
        committed = time.monotonic()
        crew.wait(due)
        late = dict.fromkeys(range(-LATE_JOBS - URGENT_JOBS, -URGENT_JOBS), committed)
        starts = _starts(crew)
        return {**figures, "urgent_start_s": _after(starts, urgent), "late_start_s": _after(starts, late)}


def _round(bench: Bench) -> Load:
    return Load(jobs=max(1, bench.jobs(JOBS) // ROUNDS))


@contextmanager
def _snapshot(bench: Bench) -> Iterator[None]:
    with bench.pool.transaction(patient=True) as opened:
        for query in (FREEZE, LOOK):
            opened.run(Statement(query, {}, nothing))
        yield


def _rounds(bench: Bench, crew: Crew, load: Load) -> Figures:
    seen = [bench.drain(crew, load).figures(load.jobs) for _ in range(ROUNDS)]
    first, last = medians(seen[:2]), medians(seen[-2:])
    name = "client_cpu_us_per_job" if last["server_cpu_us_per_job"] is None else "cpu_us_per_job"
    return {
        **medians(seen),
        "first_cpu_us_per_job": first[name],
        "last_cpu_us_per_job": last[name],
        "cpu_last_over_first": ratio(last[name], first[name]),
        "rate_last_over_first": ratio(last["jobs_per_sec"], first["jobs_per_sec"]),
    }


def _urgent(bench: Bench, crew: Crew, load: Load) -> tuple[int, dict[int, float]]:
    # into a backlog of a few rounds: gives what will have ended, and when each was committed
    backlog = Load(jobs=URGENT_JOBS * load.jobs)
    due = crew.ended() + backlog.jobs + URGENT_JOBS
    bench.fill(backlog)
    committed = {}
    for number in range(-URGENT_JOBS, 0):
        time.sleep(PAUSE_SECONDS)
        bench.app.tasks[TASK].options(priority=10).enqueue(number)
        committed[number] = time.monotonic()
    return due, committed


def _enqueue_late(bench: Bench, opened: Transaction) -> None:
    late = bench.app.tasks[TASK].options(conn=opened.conn)
    for number in range(-LATE_JOBS - URGENT_JOBS, -URGENT_JOBS):
        late.enqueue(number)


def _starts(crew: Crew) -> dict[int, float]:
    crew.stop()
    return dict(crew.starts())


def _latest(crew: Crew, committed: dict[int, float]) -> float:
    return _after(_starts(crew), committed)


def _after(starts: dict[int, float], committed: dict[int, float]) -> float:
    return max(0.0, *(starts[number] - at for number, at in committed.items()))


SCENARIOS: Final = (
    Scenario(
        name="held-snapshot", about=f"{ROUNDS} rounds under a held snapshot, then an urgent job", run=snapshot,
        jobs=JOBS, heeds=frozenset({"backend", "processes"}),
    ),
    Scenario(
        name="held-transaction", about=f"{ROUNDS} rounds beside an open transaction that has enqueued; then its commit",
        run=transaction, jobs=JOBS, heeds=frozenset({"backend", "processes"}),
    ),
)  # fmt: skip
