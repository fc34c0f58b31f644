"""What a scenario works with: its database, its options, and the measured stretches they all are made of."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Literal

from pgflow.bench.crew import Crew
from pgflow.bench.meter import Cost, Meter
from pgflow.bench.tasks import QUEUE, make_app
from pgflow.store.statement import Statement, load, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pgflow.app import App
    from pgflow.store.pool import Pool

Backend = Literal["asyncio", "trio"]
Figures = dict[str, float | None]

FILL: Final = load("fill", package=__package__)
WARM_JOBS: Final = 2_000
CHUNK_JOBS: Final = 200_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What was asked for. A scenario heeds those that it says it does; without `jobs` it takes its own number."""

    jobs: int | None = None
    backend: Backend = "asyncio"
    processes: int = 1
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Jobs to put there: `args` is a JSON array for all of them, `delay` the seconds until they are due."""

    jobs: int
    task: str = "nothing"
    queues: int = 1
    args: str | None = None
    delay: float | None = None

    @property
    def queue_names(self) -> list[str]:
        """The queues they go to, in turn."""
        return [QUEUE] if self.queues == 1 else [f"{QUEUE}-{n}" for n in range(self.queues)]

    def statement(self) -> Statement[None]:
        """Put them there."""
        params = {
            "jobs": self.jobs, "task": self.task, "queues": self.queues, "args": self.args, "delay": self.delay,
        }  # fmt: skip
        return Statement(FILL, params, nothing)


class Bench:
    """One run's place. Everything in it is on a database that is dropped behind the run."""

    def __init__(self, dsn: str, options: Options) -> None:
        self.dsn = dsn
        self.options = options

    @cached_property
    def app(self) -> App:
        """The app of the jobs, in this process: to enqueue by, and for the admin."""
        return make_app(dsn=self.dsn, admin_addr="off")

    @property
    def pool(self) -> Pool:
        """This process's connections."""
        return self.app.pool

    def jobs(self, usual: int) -> int:
        """How many jobs were asked for, or else the usual number."""
        return self.options.jobs or usual

    @contextmanager
    def crew(self, size: int | None = None, backend: Backend | None = None, **settings: Any) -> Iterator[Crew]:
        """Start worker processes; without a size and a backend, those asked for."""
        size = self.options.processes if size is None else size
        with Crew(size, self.dsn, backend or self.options.backend, settings) as crew:
            yield crew

    @contextmanager
    def working(
        self, load: Load, size: int | None = None, backend: Backend | None = None, **settings: Any
    ) -> Iterator[Crew]:
        """Start worker processes that work the queues of a load, and are warm: some like these have gone before."""
        with self.crew(size, backend, **settings) as crew:
            crew.work(load.queue_names)
            self.drain(crew, replace(load, jobs=min(WARM_JOBS, load.jobs)))
            yield crew

    def fill(self, load: Load) -> None:
        """Put jobs there, in as many transactions as it takes."""
        for first in range(0, load.jobs, CHUNK_JOBS):
            with self.pool.transaction(patient=True) as opened:
                opened.run(replace(load, jobs=min(CHUNK_JOBS, load.jobs - first)).statement())

    def drain(self, crew: Crew, load: Load) -> Cost:
        """Put jobs there in one transaction; gives the cost from its commit until the last of them has succeeded."""
        due = crew.ended() + load.jobs
        with ExitStack() as metered:
            with self.pool.transaction(patient=True) as opened:
                opened.run(load.statement())
                meter = metered.enter_context(Meter(self.dsn, crew.pids))
            crew.wait(due)
        return meter.cost

    def told(self, crew: Crew, what: str, **words: Any) -> Cost:
        """Have the first process do something; gives what it cost."""
        with Meter(self.dsn, crew.pids) as meter:
            crew.do(what, **words)
        return meter.cost

    def close(self) -> None:
        """Close this process's connections."""
        self.app.close()


def renamed(figures: Mapping[str, float | None], prefix: str) -> Figures:
    """Give figures of a second kind beside those of the first."""
    return {f"{prefix}_{name}": value for name, value in figures.items()}
