"""GET /events: server-sent events for pages that stay open, each a glance at the queues and workers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import anyio
import anyio.to_thread

from pgflow.admin import FAULTS, Answer, Endpoint
from pgflow.plugins.admin.api.lists import Cached
from pgflow.plugins.admin.api.shared import COUNTS, QUEUES, WORKERS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pgflow.admin import Call

EVERY_SECONDS: Final = 2.0
HEADERS: Final = {"x-accel-buffering": "no"}  # nginx would hold the events back


def glance(app: Any) -> dict[str, object]:
    """Read what an event holds."""
    shown = [
        {
            "name": row.name,
            "depth": row.depth,
            "running": row.running,
            "oldest_wait_seconds": row.oldest_wait,
            "paused": row.paused,
        }
        for row in QUEUES.of(app)
    ]
    return {"counts": COUNTS.of(app), "queues": shown, "workers": sum(row.alive for row in WORKERS.of(app))}


def endpoints() -> tuple[Endpoint, ...]:
    """Give the endpoint; all its streams share what is read."""
    seen: Cached[dict[str, object]] = Cached(glance)

    def answer(call: Call) -> Answer:
        return Answer(_events(call.app, seen), headers=HEADERS)

    return (
        Endpoint(
            method="GET", path="/events", name="events", summary="Stream glances at queues and workers", scope="read",
            answer=answer, media_type="text/event-stream", tag="health",
        ),
    )  # fmt: skip


async def _events(app: Any, seen: Cached[dict[str, object]]) -> AsyncIterator[str]:
    yield f"retry: {EVERY_SECONDS * 1000:.0f}\n\n"
    while True:
        try:
            told = await anyio.to_thread.run_sync(seen.of, app, abandon_on_cancel=True)
        except FAULTS:
            yield "event: down\ndata: {}\n\n"
        else:
            yield f"event: glance\ndata: {json.dumps(told)}\n\n"
        await anyio.sleep(EVERY_SECONDS)
