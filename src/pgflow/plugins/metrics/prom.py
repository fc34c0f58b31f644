"""Tells Prometheus what this process counted and what the database says, in a registry of its own."""

from __future__ import annotations

import logging
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from pgflow import PgflowError
from pgflow.admin import FAULTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from prometheus_client.core import Metric

    from pgflow.admin import stats
    from pgflow.plugins.metrics.counts import Classes, Counts

logger = logging.getLogger("pgflow")

QUEUE: Final = ("queue",)
QUEUE_TASK: Final = ("queue", "task")
QUEUE_TASK_OUTCOME: Final = ("queue", "task", "outcome")
WORKER_GAUGES: Final = {
    "slots": "Jobs that the workers of this process can run at once.",
    "running": "Jobs that the workers of this process are running.",
    "backlog": "Jobs in this process's hands that have not started.",
    "leases": "Batches of jobs that this process holds.",
    "unstored": "Attempts of this process that ended and are not stored yet.",
}
QUEUE_GAUGES: Final = {
    "queue_depth": ("Jobs that can run and wait, over all workers.", "runnable_queue_depth"),
    "running_jobs": ("Jobs in workers' hands, over all workers.", "running"),
    "scheduled_jobs": ("Jobs that wait for a time, retries among them.", "scheduled"),
    "jobs_succeeded_last_60s": ("Jobs that succeeded in the last 50 to 60 s, over all workers.", "succeeded"),
    "jobs_failed_last_60s": ("Attempts that failed in the last 50 to 60 s, over all workers.", "failed"),
    "queue_workers": ("Live workers that take the queue.", "workers"),
}


def registry(app: Any, counts: Counts, minute: Callable[[], list[stats.QueueMinute]]) -> CollectorRegistry:
    """Make a registry that holds the metrics of pgflow and nothing else."""
    made = CollectorRegistry()
    made.register(ProcessCollector(app, counts))
    made.register(DatabaseCollector(minute))
    return made


class ProcessCollector(Collector):
    """What this process counted."""

    def __init__(self, app: Any, counts: Counts) -> None:
        self._app = app
        self._counts = counts

    def describe(self) -> list[Metric]:
        """Name nothing ahead: registering would otherwise collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give each metric."""
        counts = self._counts
        with counts.lock:
            made = [
                _counter("jobs_enqueued", "Jobs stored by this process.", QUEUE_TASK, counts.enqueues),
                _counter("jobs_claimed", "Jobs claimed by this process.", QUEUE_TASK, counts.claims),
                _counter("attempts", "Attempts this process ended, as stored.", QUEUE_TASK_OUTCOME, counts.ends),
                _counter("jobs_lost", "Jobs this process took from lapsed leases.", QUEUE_TASK_OUTCOME, counts.losses),
                _counter("errors", "Open failures, by hook and kind of error.", ("hook", "error"), counts.failures),
                _histogram("wait_seconds", "From when a job could run to its claim.", QUEUE, counts.waits, counts),
                _histogram("run_seconds", "How long attempts ran.", QUEUE_TASK, counts.runs, counts),
            ]
        yield from made
        yield _counter(
            "plugin_errors", "Open failures, by plugin and hook.", ("plugin", "hook"), dict(self._app.hooks.errors)
        )
        beats = counts.beats()
        for name, said in WORKER_GAUGES.items():
            yield GaugeMetricFamily(f"pgflow_worker_{name}", said, sum(getattr(beat, name) for beat in beats))


class DatabaseCollector(Collector):
    """What the database says of all workers together. Where it does not answer, that is all that is said."""

    def __init__(self, minute: Callable[[], list[stats.QueueMinute]]) -> None:
        self._minute = minute

    def describe(self) -> list[Metric]:
        """Name nothing ahead: registering would otherwise collect."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Give each gauge, and `pgflow_up`."""
        queues = self._asked()
        yield GaugeMetricFamily("pgflow_up", "1 where the database answers.", int(queues is not None))
        for name, (said, field) in QUEUE_GAUGES.items():
            yield _gauge(name, said, {queue.queue: getattr(queue, field) for queue in queues or ()})
        waits = {queue.queue: (queue.oldest_wait_ms or 0.0) / 1_000 for queue in queues or ()}
        yield _gauge("oldest_wait_seconds", "How long the longest waiting of the runnable jobs has waited.", waits)

    def _asked(self) -> list[stats.QueueMinute] | None:
        try:
            return self._minute()
        except (PgflowError, *FAULTS) as error:
            logger.warning("metrics without the database's: %s", error)
            return None


def _counter(name: str, said: str, labels: Sequence[str], counts: Mapping[Any, int]) -> CounterMetricFamily:
    family = CounterMetricFamily(f"pgflow_{name}", said, labels=labels)
    for values, count in counts.items():
        family.add_metric(values, count)
    return family


def _gauge(name: str, said: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"pgflow_{name}", said, labels=QUEUE)
    for queue, value in values.items():
        family.add_metric((queue,), value)
    return family


def _histogram(
    name: str, said: str, labels: Sequence[str], classes: Mapping[Any, Classes], counts: Counts
) -> HistogramMetricFamily:
    family = HistogramMetricFamily(f"pgflow_{name}", said, labels=labels)
    bounds = [*map(str, counts.bounds), "+Inf"]
    for values, found in classes.items():
        family.add_metric(values, list(zip(bounds, accumulate(found.counts), strict=True)), sum_value=found.sum)
    return family
