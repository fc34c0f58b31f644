"""The endpoints of the HTTP API that are the admin's own, one module for each kind of thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgflow.plugins.admin.api import (
    alarms,
    bulk,
    changes,
    dead,
    decided,
    decisions,
    enqueue,
    events,
    health,
    jobs,
    one_job,
    queues,
    reveal,
    workers,
)

if TYPE_CHECKING:
    from pgflow.admin import Endpoint


def endpoints() -> tuple[Endpoint, ...]:
    """Give all of them, with caches of their own."""
    return (
        *health.endpoints(),
        *events.endpoints(),
        *alarms.endpoints(),
        *enqueue.ENDPOINTS,
        *jobs.ENDPOINTS,
        *bulk.ENDPOINTS,
        *one_job.ENDPOINTS,
        *changes.ENDPOINTS,
        *reveal.ENDPOINTS,
        *dead.endpoints(),
        *decisions.ENDPOINTS,
        *decided.ENDPOINTS,
        *queues.endpoints(),
        *workers.endpoints(),
    )
