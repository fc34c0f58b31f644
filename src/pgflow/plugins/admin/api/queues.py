"""GET /queues, GET and PATCH /queues/{name}, POST pause and resume: queues and their limits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, Strict

from pgflow import ArgumentError
from pgflow.admin import Endpoint, Problem, QueueRow, act, check_name, look, redacted_text
from pgflow.plugins.admin.api.fields import INT32_MAX, Given, Nothing, Text
from pgflow.plugins.admin.api.lists import All
from pgflow.plugins.admin.api.shared import QUEUES

if TYPE_CHECKING:
    from pgflow.admin import Call

Most = Annotated[int, Strict(), Field(ge=1, le=INT32_MAX)]
Milliseconds = Annotated[int, Strict(), Field(ge=0, le=INT32_MAX)]


class LimitsBody(Given):
    """The limits of a queue to set; null clears one, what is left out stays."""

    max_in_flight: Most | None = Field(None, description="jobs in the hands of all workers together")
    max_attempts_per_minute: Most | None = Field(None, description="attempts begun in any 60 s")
    throttle_delay_ms: Milliseconds | None = Field(None, description="how long the queue rests when held back")


class PauseBody(Given):
    """Why a queue is paused."""

    reason: Text | None = Field(None, description="for those who look")


@dataclass(frozen=True, slots=True)
class QueueItem:
    """A queue at a glance. `depth` counts what can run now, up to 100,000; beyond, it is an estimate and says so."""

    name: str
    depth: int
    depth_is_estimate: bool
    scheduled: int
    running: int
    oldest_wait_seconds: float | None
    workers: int
    paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    max_in_flight: int | None
    max_attempts_per_minute: int | None
    throttle_delay_ms: int | None


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """The limits of a queue as they stand; null is no limit."""

    queue: str
    max_in_flight: int | None
    max_attempts_per_minute: int | None
    throttle_delay_ms: int | None


@dataclass(frozen=True, slots=True)
class QueuePause:
    """Whether a queue is paused now, and whether that is new."""

    queue: str
    paused: bool
    changed: bool
    reason: str | None = None


def listing(call: Call) -> All[QueueItem]:
    """List queues."""
    return All([_item(row) for row in QUEUES.of(call.app)])


def one(call: Call) -> QueueItem:
    """Show one queue."""
    name = _name(call)
    found = next((row for row in QUEUES.of(call.app) if row.name == name), None)
    if found is not None:
        return _item(found)
    if name in call.app.queues:
        return bare(name)
    raise _no_queue(name)


def bare(name: str) -> QueueItem:
    """Give a queue of which nothing is known now."""
    return QueueItem(name, 0, False, 0, 0, None, 0, False, None, None, None, None, None)


def limit(call: Call) -> QueueLimits:
    """Set limits of a queue."""
    asked: LimitsBody = call.body
    given = asked.model_dump(include=asked.model_fields_set)
    if not given:
        detail = f"nothing to change: give one or more of {', '.join(LimitsBody.model_fields)}, or null to clear it"
        raise Problem(422, "NOTHING_TO_CHANGE", detail, pointer="")
    name = _name(call)
    stands = call.app.db.run(act.set_limits(name, **given))
    QUEUES.forget(call.app)
    call.note.update(given)
    return QueueLimits(name, stands.max_in_flight, stands.max_attempts_per_minute, stands.throttle_delay_ms)


def pause(call: Call) -> QueuePause:
    """Stop a queue from being claimed; what runs goes on."""
    asked: PauseBody = call.body
    name = _name(call)
    before = call.app.db.run(look.limits()).get(name)
    call.app.db.run(act.pause(name, asked.reason))
    QUEUES.forget(call.app)
    call.note["reason"] = asked.reason
    return QueuePause(name, paused=True, changed=before is None or not before.paused, reason=asked.reason)


def resume(call: Call) -> QueuePause:
    """Let a queue be claimed again."""
    name = _name(call)
    changed = call.app.db.run(act.resume(name))
    QUEUES.forget(call.app)
    return QueuePause(name, paused=False, changed=changed)


def _name(call: Call) -> str:
    try:
        return check_name("queue", call.path["queue"])
    except ArgumentError:
        raise _no_queue(call.path["queue"]) from None


def _no_queue(name: str) -> Problem:
    detail = f"no queue {name[:128]!r} has jobs, settings or a live worker; GET /queues lists those that have"
    return Problem(404, "QUEUE_NOT_FOUND", detail)


def _item(row: QueueRow) -> QueueItem:
    return QueueItem(
        name=row.name,
        depth=row.depth,
        depth_is_estimate=row.depth_is_estimate,
        scheduled=row.scheduled,
        running=row.running,
        oldest_wait_seconds=None if row.oldest_wait is None else round(max(row.oldest_wait, 0.0), 3),
        workers=row.workers,
        paused=row.paused,
        paused_reason=None if row.paused_reason is None else redacted_text(row.paused_reason),
        paused_at=row.paused_at,
        max_in_flight=row.max_in_flight,
        max_attempts_per_minute=row.max_attempts_per_minute,
        throttle_delay_ms=row.throttle_delay_ms,
    )


def endpoints() -> tuple[Endpoint, ...]:
    """Give the endpoints."""
    return (
        _endpoint("GET", "", "list_queues", "List queues", listing, "read", response=All[QueueItem]),
        _endpoint(
            "GET", "/{queue}", "get_queue", "Show one queue", one, "read", response=QueueItem, errors=(404,)
        ),
        _endpoint(
            "PATCH", "/{queue}", "limit_queue", "Set the limits of a queue", limit, "operate", body=LimitsBody,
            response=QueueLimits, errors=(404, 422), changes=True,
        ),
        _endpoint(
            "POST", "/{queue}/pause", "pause_queue", "Stop a queue from being claimed", pause, "operate",
            body=PauseBody, body_required=False, response=QueuePause, errors=(404, 422), changes=True,
        ),
        _endpoint(
            "POST", "/{queue}/resume", "resume_queue", "Let a queue be claimed again", resume, "operate", body=Nothing,
            body_required=False, response=QueuePause, errors=(404,), changes=True,
        ),
    )  # fmt: skip


def _endpoint(method: str, path: str, name: str, summary: str, answer: Any, scope: Any, **more: Any) -> Endpoint:
    return Endpoint(
        method=method, path=f"/queues{path}", name=name, summary=summary, scope=scope, answer=answer, tag="queues",
        **more,
    )  # fmt: skip
