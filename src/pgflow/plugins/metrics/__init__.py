"""Metrics: what this process counts by hooks, and what the database says of all workers, as JSON and for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pgflow import AdminExtras, Migrations, hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow import Claimed, LostJob, NewJob, Outcome, Where, WorkerInfo, WorkerStats
    from pgflow.plugins.metrics.counts import Counts

MIGRATIONS: Final = Path(__file__).parent / "migrations"


class Metrics:
    """Counts what this process enqueues, claims and finishes, a batch at a time. Keywords are `MetricsSettings`."""

    name = "metrics"

    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self.counts: Counts
        """What this process has counted, from `pgflow_configure` on."""

    @hookimpl
    def pgflow_configure(self) -> None:
        """Read the settings, and begin to count. Raises `SettingsError`."""
        from pgflow.plugins.metrics.counts import Counts  # noqa: PLC0415 - no command's help needs it
        from pgflow.plugins.metrics.settings import MetricsSettings  # noqa: PLC0415

        settings = MetricsSettings.read(**self._given)
        self.counts = Counts(settings.buckets, settings.max_names)

    @hookimpl
    def pgflow_after_enqueue(self, jobs: Sequence[NewJob]) -> None:
        """Count jobs that were stored, those that a transaction of the caller's may yet roll back too."""
        self.counts.enqueued(jobs)

    @hookimpl
    def pgflow_jobs_claimed(self, jobs: Sequence[Claimed]) -> None:
        """Count jobs as they are claimed, and how long they waited."""
        self.counts.claimed(jobs)

    @hookimpl
    def pgflow_attempts_finished(self, attempts: Sequence[Outcome]) -> None:
        """Count attempts by their end, and how long they ran."""
        self.counts.finished(attempts)

    @hookimpl
    def pgflow_jobs_lost(self, jobs: Sequence[LostJob]) -> None:
        """Count jobs that this process took from lapsed leases."""
        self.counts.lost(jobs)

    @hookimpl
    def pgflow_heartbeat(self, worker: WorkerInfo, stats: WorkerStats) -> None:
        """Keep what a worker of this process is doing."""
        self.counts.beat(worker.id, stats)

    @hookimpl
    def pgflow_error(self, where: Where, error: BaseException) -> None:
        """Count open failures by the hook and the kind of error."""
        self.counts.failed(where.hook, type(error).__name__)

    @hookimpl
    def pgflow_migrations(self) -> Migrations:
        """Bring the table of minutes."""
        return Migrations(MIGRATIONS)

    @hookimpl
    def pgflow_maintenance(self, run: Any) -> None:
        """Keep the minutes that have ended, and forget old ones."""
        from pgflow.plugins.metrics import minutes  # noqa: PLC0415 - --help has no need of a database driver

        while run.goes_on() and run.db.together(minutes.keep):
            pass
        run.db.run(minutes.forget())

    @hookimpl
    def pgflow_admin_routes(self, app: Any) -> AdminExtras:
        """Add GET /metrics, /metrics/prom and /stats."""
        from pgflow.plugins.metrics.endpoints import endpoints  # noqa: PLC0415 - only the admin answers

        return AdminExtras(endpoints=endpoints(app, self.counts))
