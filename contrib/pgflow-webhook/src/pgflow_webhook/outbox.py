"""The outbox: takes what has ended from the hook, which may not wait, and enqueues deliveries beside the worker."""

from __future__ import annotations

import logging
import time
from collections import deque
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import anyio

from pgflow import DatabaseUnavailableError, JobRejected
from pgflow.admin import StoreError
from pgflow_webhook.delivery import TASK
from pgflow_webhook.subscriptions import EVENTS, listing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from pgflow import Outcome

logger = logging.getLogger("pgflow_webhook")

HELD_MOST: Final = 100_000
GATHER_SECONDS: Final = 0.05
AWAY_SECONDS: Final = 1.0
LAST_SECONDS: Final = 3.0


class Outbox:
    """Holds events of this process until their deliveries are stored; `dropped` counts those it had no room for."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._held: deque[dict[str, Any]] = deque()
        self._bell = anyio.Event()
        self.dropped = 0

    def put(self, attempts: Sequence[Outcome]) -> None:
        """Take attempts that ended a job; those of deliveries are left out, or there would be no end to them."""
        for attempt in attempts:
            if attempt.kind not in EVENTS or attempt.job.task == TASK:
                continue
            if len(self._held) >= HELD_MOST:
                self.dropped += 1
                continue
            self._held.append(_event(attempt))
        self._bell.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Send while the block runs, and what is left behind it."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._send_for_ever)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
        with anyio.move_on_after(LAST_SECONDS):
            await self._send()
        if self._held or self.dropped:
            logger.warning("%d webhooks were not sent", len(self._held) + self.dropped)

    async def _send_for_ever(self) -> None:
        while True:
            await self._bell.wait()
            self._bell = anyio.Event()
            await anyio.sleep(GATHER_SECONDS)
            with anyio.CancelScope(shield=True):
                await self._send()
            if self._held:
                await anyio.sleep(AWAY_SECONDS)
                self._bell.set()

    async def _send(self) -> None:
        taken = [self._held.popleft() for _ in range(len(self._held))]
        if not taken:
            return
        try:
            subscriptions = await self._app.db.arun(listing())
            calls = [
                ((subscription.name, event), {})
                for event in taken
                for subscription in subscriptions
                if subscription.wants(event["event"], event["queue"], event["task"])
            ]
            if calls:
                await self._app.tasks[TASK].aenqueue_many(calls)
        except JobRejected as refusal:
            self.dropped += len(taken)
            logger.warning("%d webhooks were refused: %s", len(taken), refusal)
        except (DatabaseUnavailableError, StoreError) as error:
            self._held.extendleft(reversed(taken))
            logger.warning("%d webhooks wait for the database: %s", len(self._held), error)


def _event(attempt: Outcome) -> dict[str, Any]:
    ended = datetime.now(UTC) - timedelta(seconds=max(time.monotonic() - attempt.finished, 0.0))
    return {
        "event": str(attempt.kind),
        "job_id": attempt.job.job_id,
        "task": attempt.job.task,
        "queue": attempt.job.queue,
        "attempt": attempt.job.attempt,
        "ended_at": ended.isoformat(),
        "error_code": attempt.error_code,
        "reason_code": attempt.reason_code,
    }
