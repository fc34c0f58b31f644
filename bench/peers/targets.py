"""What pgflow set out to reach, each as a figure of a run beside what was asked of it."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from bench.peers.figures import OURS, of, ratio, systems_of
from bench.peers.systems import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Target(NamedTuple):
    """A figure, and the bound that was set for it."""

    what: str
    least: float | None
    most: float | None
    reached: Callable[[Sequence[dict[str, Any]]], float | None]
    unit: str = ""

    @property
    def asked(self) -> str:
        """The bound, as read by people."""
        bounds = [(sign, bound) for sign, bound in (("≥", self.least), ("≤", self.most)) if bound is not None]
        return " ".join(f"{sign} {bound:,g}{self.unit}" for sign, bound in bounds)

    def is_met(self, value: float) -> bool:
        """Compare."""
        return (self.least is None or value >= self.least) and (self.most is None or value <= self.most)


def figure(
    scenario: str, name: str, instead: str = "", system: str = OURS
) -> Callable[[Sequence[dict[str, Any]]], float | None]:
    """Make what finds the median of a figure, or of another where it is not known."""

    def found(results: Sequence[dict[str, Any]]) -> float | None:
        values = list((of(results, scenario, system, name) or of(results, scenario, system, instead)).values())
        return statistics.median(values) if values else None

    return found


def over(
    scenario: str, theirs: str, name: str = "jobs_per_sec", ours: str = OURS
) -> Callable[[Sequence[dict[str, Any]]], float | None]:
    """Make what finds the median of ours over theirs, in pairs within a round."""

    def found(results: Sequence[dict[str, Any]]) -> float | None:
        seen = ratio(of(results, scenario, ours, name), of(results, scenario, theirs, name))
        return seen.median if seen else None

    return found


def over_best(
    scenario: str, name: str = "jobs_per_sec", *, least: bool = False, store: str | None = None
) -> Callable[[Sequence[dict[str, Any]]], float | None]:
    """Make what finds ours over the best of the others, or over the best of those on such a store."""

    def found(results: Sequence[dict[str, Any]]) -> float | None:
        others = [
            other
            for other in systems_of(results, scenario)
            if not other.startswith(OURS) and other != "floor" and store in {None, SYSTEMS[other].store}
        ]
        medians = {
            other: value for other in others if (value := figure(scenario, name, system=other)(results)) is not None
        }
        if not medians:
            return None
        best = min(medians, key=medians.__getitem__) if least else max(medians, key=medians.__getitem__)
        return over(scenario, best, name)(results)

    return found


TARGETS: Final = (
    Target("drain over graphile-worker", 1.3, None, over("drain", "graphile-worker"), "x"),
    Target("drain over pgqueuer", 3, None, over("drain", "pgqueuer"), "x"),
    Target("drain over Celery", 40, None, over("drain", "celery"), "x"),
    Target("two worker processes over one", 1.5, None, figure("processes", "over_one"), "x"),
    Target("drain over the raw-SQL floor", 0.6, None, over("drain", "floor"), "x"),
    Target("CPU of the worker a job, async", None, 12, figure("drain", "client_cpu_us_per_job"), " µs"),
    Target(
        "CPU of the worker a job, in threads", None, 15,
        figure("drain", "client_cpu_us_per_job", system="pgflow-threads"), " µs",
    ),
    Target("CPU of the server a job", None, 12, figure("drain", "server_cpu_us_per_job"), " µs"),
    Target("WAL to claim and finish", None, 400, figure("drain", "wal_bytes_per_job"), " B"),
    Target("the same with 1 kB of arguments", None, 400, figure("payload-1kb", "wal_bytes_per_job"), " B"),
    Target("the same with 10 kB of arguments", None, 400, figure("payload-10kb", "wal_bytes_per_job"), " B"),
    Target("trio over asyncio", 0.8, None, over("drain", OURS, ours="pgflow-trio"), "x"),
    Target(
        "enqueue one by one over the best on PostgreSQL", 1, None, over_best("enqueue-one", store="postgresql"), "x"
    ),
    Target("enqueue one by one over the best of all", 1, None, over_best("enqueue-one"), "x"),
    Target("enqueue in bulk, jobs/s", 100_000, None, figure("enqueue-many", "jobs_per_sec")),
    Target("enqueue in bulk over the best (either will do)", 1.3, None, over_best("enqueue-many"), "x"),
    Target("latency, median", None, 2, figure("latency", "p50_ms"), " ms"),
    Target("latency, 99th percentile", None, 10, figure("latency", "p99_ms"), " ms"),
    Target(
        "median latency over the best on PostgreSQL", None, 1,
        over_best("latency", "p50_ms", least=True, store="postgresql"), "x",
    ),
    Target(
        "the same from the call on, its commit included", None, 1,
        over_best("latency", "asked_p50_ms", least=True, store="postgresql"), "x",
    ),
    Target("median latency over the best of all", None, 1, over_best("latency", "p50_ms", least=True), "x"),
    Target(
        "99th percentile over the best on PostgreSQL", None, 1,
        over_best("latency", "p99_ms", least=True, store="postgresql"), "x",
    ),
    Target("99th percentile over the best of all", None, 1, over_best("latency", "p99_ms", least=True), "x"),
    Target(
        "a million jobs under a held snapshot: CPU at the end over the start", None, 1.3,
        figure("held-million", "cpu_last_over_first"), "x",
    ),
    Target("an urgent job under it starts within", None, 5, figure("held-million", "urgent_start_s"), " s"),
    Target(
        "a million beside an open writing transaction: CPU at the end over the start", None, 1.3,
        figure("held-transaction", "cpu_last_over_first"), "x",
    ),
    Target("an urgent job beside it starts within", None, 5, figure("held-transaction", "urgent_start_s"), " s"),
    Target("its jobs start after its commit within", None, 2, figure("held-transaction", "late_start_s"), " s"),
    Target("claims with 10 million queued over 10,000", 0.9, None, figure("backlog-10m", "over_shallow"), "x"),
    Target("GET /jobs with 10 million queued", None, 200, figure("backlog-10m", "get_jobs_p50_ms"), " ms"),
    Target("GET /metrics with 10 million queued", None, 200, figure("backlog-10m", "get_metrics_p50_ms"), " ms"),
    Target(
        "an idle worker's statements a second", None, 2, figure("idle", "statements_per_sec", "transactions_per_sec"),
    ),
    Target("an idle worker's share of a core", None, 0.5, figure("idle", "cpu_percent"), " %"),
    Target("an idle worker's memory", None, 60, figure("idle", "rss_mb"), " MB"),
    Target("five plugins on over none", 0.9, None, figure("plugins", "over_none"), "x"),
    Target("a thousand queues over one (no cliff)", 0.5, None, figure("many-queues", "over_one_queue"), "x"),
    Target("10,000 jobs due at once: all done after", None, 2_000, figure("scheduled-storm", "all_ms"), " ms"),
)  # fmt: skip
