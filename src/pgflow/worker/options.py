"""What one worker is told: its name, its queues and its times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pgflow.settings import default_worker_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """`burst` ends the worker when nothing is left to claim, `until_settled` also waits for what is scheduled."""

    worker_id: str
    queues: tuple[str, ...]
    concurrency: int | None = None
    lease_seconds: float = 30.0
    batch: int = 512
    poll_seconds: float = 1.0
    reap_seconds: float = 5.0
    grace_seconds: float = 25.0
    maintenance_seconds: float = 60.0
    unknown_task_seconds: float = 3600.0
    claim_timeout_seconds: float = 300.0
    blocked_loop_seconds: float = 60.0
    dataset_bucket: Literal["hour", "day", "none"] = "day"
    verbose: bool = False
    burst: bool = False
    until_settled: bool = False

    @property
    def beat_seconds(self) -> float:
        """Between heartbeats: a third of the lease, five seconds at most."""
        return min(self.lease_seconds / 3, 5.0)

    @classmethod
    def of(
        cls, settings: Settings, queues: Sequence[str], *, burst: bool = False, until_settled: bool = False
    ) -> WorkerOptions:
        """Take from the settings what a worker needs."""
        return cls(
            worker_id=settings.worker_id or default_worker_id(),
            queues=tuple(dict.fromkeys(queues)),
            concurrency=settings.concurrency,
            lease_seconds=settings.lease_seconds,
            batch=settings.dequeue_batch_size,
            poll_seconds=settings.poll_interval_ms / 1000,
            reap_seconds=settings.reap_interval_ms / 1000,
            grace_seconds=settings.shutdown_grace_seconds,
            maintenance_seconds=settings.maintenance_interval_secs,
            unknown_task_seconds=settings.unknown_task_seconds,
            claim_timeout_seconds=settings.claim_timeout_seconds,
            blocked_loop_seconds=settings.blocked_loop_seconds,
            dataset_bucket=settings.dataset_bucket,
            verbose=settings.verbose_job_logs,
            burst=burst,
            until_settled=until_settled,
        )
