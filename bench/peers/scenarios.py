"""What is measured of each system: one function a scenario, which gives figures by name."""

from __future__ import annotations

import statistics
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from bench.peers.processes import AdapterError, Child, Ledger
from pgflow.bench.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from bench.peers.places import Redis
    from bench.peers.systems import System

Figures = dict[str, Any]

STAMP_EVERY: Final = 512
WAIT_SECONDS: Final = 240.0
RATE: Final = 50
"""Jobs a second where latency is measured: the worker is idle between two of them."""
WARM: Final = 50
"""Jobs at that rate, or enqueued, before any is counted."""
ROUNDS: Final = 10


@dataclass(slots=True)
class Stand:
    """A system in a fresh place."""

    system: System
    url: str
    directory: Path
    redis: Redis | None = None
    conn: psycopg.Connection[Any] | None = None

    def ledger(self, jobs: int, every: int = STAMP_EVERY) -> Ledger:
        """Make one for so many jobs."""
        return Ledger(self.directory / "ledger", jobs, every)

    def child(self, ledger: Ledger) -> Child:
        """Make a process of the system, to be entered."""
        return Child(self.system, self.url, ledger, self.directory / "log")

    def meter(self, child: Child) -> Meter:
        """Make the meter of a child and of the server."""
        if self.redis is not None:
            return Meter(None, [child.pid], server_pids=[self.redis.pid])
        return Meter(self.url, [child.pid])

    def busy(self) -> bool:
        """Say whether a job is left that is not accounted for."""
        if self.redis is not None:
            return self.redis.busy()
        assert self.conn
        row = self.conn.execute(self.system.busy).fetchone()  # type: ignore[call-overload]
        return bool(row and row[0])

    def filled(self, ledger: Ledger, first: int, jobs: int) -> None:
        """Fill the queue, with statistics as autovacuum would have them soon."""
        with self.child(ledger) as producer:
            producer.do("many", first=first, jobs=jobs)
        if self.conn is not None:
            self.conn.execute("analyze")


class Scenario(NamedTuple):
    """A scenario, with the number of jobs for fast systems and slow ones."""

    run: Callable[[Stand, int], Figures]
    says: str
    jobs: int
    slow_jobs: int
    on_redis: bool = True


def drain(stand: Stand, jobs: int) -> Figures:
    """No-op jobs that wait already, from the first one's start until the last is accounted for."""
    ledger = stand.ledger(jobs)
    stand.filled(ledger, 0, jobs)
    with stand.child(ledger) as worker:
        figures = _drained(stand, worker, ledger, 0, jobs)
    return {**figures, **_once(ledger)}


def enqueue_one(stand: Stand, jobs: int) -> Figures:
    """One producer, one job after the other, each on record before the next."""
    return _enqueued(stand, jobs, "one", WARM)


def enqueue_many(stand: Stand, jobs: int) -> Figures:
    """One producer, in the fastest way in that the system has."""
    return _enqueued(stand, jobs, "many", jobs // 10)


def latency(stand: Stand, jobs: int) -> Figures:
    """50 jobs a second for an idle worker: from the answer to the enqueue, its commit, until the handler starts.

    A job may start before its producer has the answer: that is no latency, not a negative one.
    """
    ledger = stand.ledger(WARM + jobs, every=1)
    with stand.child(ledger) as producer, stand.child(ledger) as worker:
        worker.do("start", until=WARM + jobs)
        time.sleep(1)
        producer.do("paced", first=0, jobs=WARM, rate=RATE)
        with stand.meter(worker) as meter:
            sent = producer.do("paced", first=WARM, jobs=jobs, rate=RATE)["sent"]
            _wait_for(stand, worker, ledger, WARM + jobs)
        started = ledger.stamps()[WARM:]
    committed = [max(0.0, began - answered) / 1e6 for (_, answered), began in zip(sent, started, strict=True)]
    asked = [(began - asked) / 1e6 for (asked, _), began in zip(sent, started, strict=True)]
    return {
        "p50_ms": statistics.median(committed),
        "p99_ms": statistics.quantiles(committed, n=100)[98],
        "asked_p50_ms": statistics.median(asked),
        "asked_p99_ms": statistics.quantiles(asked, n=100)[98],
        "worker_cpu_percent": meter.cost.client_cpu / meter.cost.wall * 100,
        **_once(ledger),
    }


def held_snapshot(stand: Stand, jobs: int) -> Figures:
    """Rounds of fill and drain in one worker process while a transaction elsewhere holds a snapshot."""
    each = max(1, jobs // ROUNDS)
    ledger = stand.ledger((ROUNDS + 1) * each, min(STAMP_EVERY, each))
    rounds = []
    with stand.child(ledger) as producer, stand.child(ledger) as worker, psycopg.connect(stand.url) as holder:
        for number in range(ROUNDS + 1):
            if number == 1:  # the first round of all warms caches and plans
                holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
                holder.execute("select count(*) from pg_class")
            producer.do("many", first=number * each, jobs=each)
            rounds.append(_drained(stand, worker, ledger, number * each, each))
            worker.do("stop")
    rates = [one["jobs_per_sec"] for one in rounds[1:]]
    cpu = [one["cpu_us_per_job"] for one in rounds[1:]]
    return {
        "rates": rates,
        "cpu_us": cpu,
        "rate_last_over_first": statistics.median(rates[-2:]) / statistics.median(rates[:2]),
        "cpu_last_over_first": statistics.median(cpu[-2:]) / statistics.median(cpu[:2]),
        **_once(ledger),
    }


SCENARIOS: Final = {
    "drain": Scenario(drain, "drain of no-op jobs", 100_000, 5_000),
    "enqueue-one": Scenario(enqueue_one, "enqueue, one by one", 2_000, 2_000),
    "enqueue-many": Scenario(enqueue_many, "enqueue in bulk", 100_000, 10_000),
    "latency": Scenario(latency, "latency at 50 jobs/s", 250, 250),
    "held-snapshot": Scenario(held_snapshot, "drain while a snapshot is held", 200_000, 5_000, on_redis=False),
}


def _drained(stand: Stand, worker: Child, ledger: Ledger, first: int, jobs: int) -> Figures:
    with stand.meter(worker) as meter:
        worker.do("start", until=first + jobs)
        _wait_for(stand, worker, ledger, first + jobs)
        ended = time.monotonic_ns()
    began = min(ledger.stamps()[-(-first // ledger.every) : -(-(first + jobs) // ledger.every)])
    return {**meter.cost.figures(jobs), "jobs_per_sec": jobs / (ended - began) * 1e9}


def _enqueued(stand: Stand, jobs: int, how: str, warm: int) -> Figures:
    ledger = stand.ledger(warm + jobs)
    with stand.child(ledger) as producer:
        producer.do(how, first=0, jobs=warm)
        with stand.meter(producer) as meter:
            seconds = producer.do(how, first=warm, jobs=jobs)["seconds"]
    return {**meter.cost.figures(jobs), "jobs_per_sec": jobs / seconds}


def _wait_for(stand: Stand, worker: Child, ledger: Ledger, jobs: int) -> None:
    until = time.monotonic() + WAIT_SECONDS
    with _telling(stand, ledger, jobs):
        while ledger.unrun(jobs):
            _look(worker, until)
            time.sleep(0.01)
        while stand.busy():
            _look(worker, until)
            time.sleep(0.005)


@contextmanager
def _telling(stand: Stand, ledger: Ledger, jobs: int) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        how = f"left {ledger.unrun(jobs)} of {jobs} jobs unrun for {WAIT_SECONDS:.0f} s, or some open"
        raise AdapterError(stand.system.name, how) from error


def _look(worker: Child, until: float) -> None:
    worker.check()
    if time.monotonic() > until:
        raise TimeoutError


def _once(ledger: Ledger) -> Figures:
    runs = ledger.runs()
    return {"ran_once": runs.get(1, 0), "ran_more": sum(jobs for times, jobs in runs.items() if times > 1)}
