"""The outbox: takes what has ended from hooks, which may not wait, and has it told beside the worker."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio

from pgflow import DatabaseUnavailableError
from pgflow.admin import StoreError
from pgflow_webhook.delivery import TASK
from pgflow_webhook.subscriptions import EVENTS, keep_set
from pgflow_webhook.telling import tell

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pgflow import LostJob, Outcome
    from pgflow_webhook.settings import WebhookSettings

logger = logging.getLogger("pgflow_webhook")

HELD_MOST: Final = 100_000
AT_ONCE: Final = 1_000
GATHER_SECONDS: Final = 0.05
AWAY_SECONDS: Final = 1.0


class OutboxFullError(Exception):
    """There is no room for more events: the database has not taken any for a long time."""


class Outbox:
    """Holds events of this process until their deliveries are stored; `dropped` counts those that never were."""

    def __init__(self, app: Any, settings: WebhookSettings) -> None:
        self._app = app
        self._settings = settings
        self._held: deque[dict[str, Any]] = deque()
        self._bell = anyio.Event()
        self._offset = timedelta()
        self.dropped = 0

    def put(self, attempts: Sequence[Outcome]) -> None:
        """Take attempts that ended a job; those of deliveries are left out, or there would be no end to them."""
        self._hold([self._of_attempt(a) for a in attempts if a.kind in EVENTS and a.job.task != TASK])

    def put_lost(self, jobs: Sequence[LostJob]) -> None:
        """Take jobs that a lapsed lease ended."""
        self._hold([self._of_lost(job) for job in jobs if job.outcome in EVENTS and job.task != TASK])

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell while the block runs, and what is left behind it."""
        await self._app.db.atogether(lambda run: keep_set(run, self._settings))
        self._offset = timedelta(seconds=await self._app.db.arun_call(self._app.db.clock_offset))
        async with anyio.create_task_group() as group:
            group.start_soon(self._tell_for_ever)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
        await self._tell()
        if self._held or self.dropped:
            logger.warning("%d webhooks were not made", len(self._held) + self.dropped)

    def _hold(self, events: Sequence[dict[str, Any]]) -> None:
        room = HELD_MOST - len(self._held)
        self._held.extend(events[:room])
        if self._held:
            self._bell.set()
        if len(events) > room:
            self.dropped += len(events) - room
            msg = f"{len(events) - room} events found the outbox full; of deaths, maintenance tells later"
            raise OutboxFullError(msg)

    async def _tell_for_ever(self) -> None:
        while True:
            await self._bell.wait()
            self._bell = anyio.Event()
            await anyio.sleep(GATHER_SECONDS)
            await self._tell()
            if self._held:
                await anyio.sleep(AWAY_SECONDS)
                self._bell.set()

    async def _tell(self) -> None:
        while self._held:
            taken = [self._held.popleft() for _ in range(min(len(self._held), AT_ONCE))]
            try:
                await self._app.db.arun_call(partial(tell, self._app, taken))
            except (DatabaseUnavailableError, StoreError) as error:
                self._held.extendleft(reversed(taken))
                logger.warning("%d events wait for the database: %s", len(self._held), error)
                return
            except Exception as error:  # noqa: BLE001 - a guardrail's refusal, or a plugin's failure: told and counted
                self.dropped += len(taken)
                self._app.hooks.report("pgflow_attempts_finished", "webhook", error)

    def _of_attempt(self, attempt: Outcome) -> dict[str, Any]:
        ago = timedelta(seconds=max(time.monotonic() - attempt.finished, 0.0))
        return {
            "event": str(attempt.kind),
            "job_id": attempt.job.job_id,
            "task": attempt.job.task,
            "queue": attempt.job.queue,
            "attempt": attempt.job.attempt,
            "ended_at": (self._now() - ago).isoformat(),
            "error_code": attempt.error_code,
            "reason_code": attempt.reason_code,
        }

    def _of_lost(self, job: LostJob) -> dict[str, Any]:
        is_dead = job.outcome == "dead"
        return {
            "event": job.outcome,
            "job_id": job.job_id,
            "task": job.task,
            "queue": job.queue,
            "attempt": job.attempt,
            "ended_at": self._now().isoformat(),
            "error_code": "LEASE_EXPIRED" if is_dead else "CANCELLED",
            "reason_code": "WORKER_CRASHED" if is_dead else None,
        }

    def _now(self) -> datetime:
        # the database's clock, by what its distance was at start: a hook cannot ask
        return datetime.now(UTC) + self._offset
