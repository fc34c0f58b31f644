"""What is measured: a kind of jobs, so many processes, and how their queues and hosts are laid out."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from psycopg.conninfo import make_conninfo

from bench.scale.watch import Watch, claims
from pgflow.bench.crew import Crew
from pgflow.bench.meter import Meter
from pgflow.bench.stage import WARM_JOBS, Load, Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.bench.ground import Ground
    from pgflow.bench.meter import Cost
    from pgflow.bench.stage import Bench

Commands = Sequence[Sequence[str]]

MANY_QUEUES: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A kind of jobs: how many of them, in all and for each process beside that, and who runs them."""

    about: str
    task: str = "nothing"
    args: str | None = None
    jobs: int = 0
    jobs_each: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


WORKS: Final[dict[str, Work]] = {
    "nothing": Work(about="async, nothing to do", jobs=100_000),
    "threads": Work(about="plain functions in threads, nothing to do", task="nothing_in_thread", jobs=60_000),
    "python": Work(about="async, some 80 µs of Python", task="work", args="[2000]", jobs=30_000),
    "rest-1ms": Work(
        about="async, sleep 1 ms, 4 slots a process", task="rest", args="[1]", jobs_each=5_000,
        settings={"concurrency": 4},
    ),
    "rest-10ms": Work(
        about="async, sleep 10 ms, 20 slots a process", task="rest", args="[10]", jobs_each=4_000,
        settings={"concurrency": 20},
    ),
}  # fmt: skip
LAYOUTS: Final = {
    "one": "all work one queue",
    "eight": f"all work the same {MANY_QUEUES} queues",
    "own": "each process works a queue of its own",
    "hosts": "one queue, each process on a host (network namespace) of its own",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One measurement."""

    work: str
    layout: str
    processes: int

    def load(self, share: float) -> Load:
        """Give its jobs, or a share of them."""
        work = WORKS[self.work]
        queues = {"eight": MANY_QUEUES, "own": self.processes}.get(self.layout, 1)
        jobs = max(self.processes, round(share * (work.jobs + work.jobs_each * self.processes)))
        return Load(jobs=jobs, task=work.task, args=work.args, queues=queues)


def run(
    ground: Ground, case: Case, *, share: float = 1.0, address: str | None = None, through: Commands = ((),)
) -> dict[str, Any]:
    """Measure a case on a database of its own; workers reach the server at `address`, started through `through`."""
    load, settings = case.load(share), dict(WORKS[case.work].settings)
    with ground.bench(Options()) as bench:
        dsn = bench.dsn if address is None else _moved(bench.dsn, address)
        with Crew(case.processes, dsn, "asyncio", settings, through) as crew:
            crew.work(load.queue_names, apart=case.layout == "own" and case.processes > 1)
            bench.drain(crew, replace(load, jobs=max(case.processes, round(min(share, 1.0) * WARM_JOBS))))
            cost, watch = _drain(bench, crew, load, ground.url)
        found = claims(bench.pool)
    return {
        "work": case.work, "layout": case.layout, "processes": case.processes, "jobs": load.jobs,
        **cost.figures(load.jobs),
        "client_cores": cost.client_cpu / cost.wall,
        "server_cores": None if cost.server_cpu is None else cost.server_cpu / cost.wall,
        "connections": watch.connections, "busy_sessions": watch.busy(), "waits": watch.waits(), **found,
    }  # fmt: skip


def _drain(bench: Bench, crew: Crew, load: Load, server: str) -> tuple[Cost, Watch]:
    # as Bench.drain, with an eye on the sessions meanwhile
    due = crew.ended() + load.jobs
    watch = Watch(server, bench.dsn)
    with ExitStack() as metered:
        with bench.pool.transaction(patient=True) as opened:
            opened.run(load.statement())
            meter = metered.enter_context(Meter(bench.dsn, crew.pids))
        with watch:
            crew.wait(due)
    return meter.cost, watch


def _moved(dsn: str, address: str) -> str:
    return make_conninfo(dsn, host=address)
