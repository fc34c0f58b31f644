"""The endpoints of metrics: GET /metrics and /metrics/prom for now, GET /stats for the charts."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from pgflow.admin import Answer, Call, Endpoint, Problem, stats
from pgflow.plugins.metrics import minutes
from pgflow.plugins.metrics.prom import registry
from pgflow.plugins.metrics.sampler import Sampler

if TYPE_CHECKING:
    from pgflow.plugins.metrics.counts import Counts

DURATION: Final = re.compile(r"([1-9][0-9]{0,5})(s|m|h)?", re.ASCII)
UNITS: Final = {"s": 1, "m": 60, "h": 3_600, None: 1}
HOUR: Final = 3_600
FINE_SECONDS: Final = stats.MOST_POINTS * stats.BUCKET_SECONDS
"""The longest window in steps of less than a minute, which are read from every ten seconds on record: 4 h."""
DAY: Final = 86_400
MINUTE: Final = 60
STEPS: Final = (10, 60, 120, 300, 600, 1_200)
POINTS_WANTED: Final = 120


def duration(value: Any) -> int:
    """Read a length of time such as `90s`, `15m` or `24h`, in seconds. Raises `ValueError`."""
    match = DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        msg = "must be a length of time such as 90s, 15m or 24h"
        raise ValueError(msg)
    return int(match[1]) * UNITS[match[2]]


Duration = Annotated[
    int, BeforeValidator(duration), WithJsonSchema({"type": "string", "pattern": "^[1-9][0-9]{0,5}(s|m|h)?$"})
]


class Window(BaseModel):
    """The parameters of a series."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    window: Annotated[Duration, Field(ge=MINUTE, le=DAY)] = Field(HOUR, description="how far back: 1m to 24h")
    step: Annotated[Duration, Field(ge=stats.BUCKET_SECONDS, le=DAY)] | None = Field(
        None, description="how long a point is: a multiple of 10s, of 1m where the window is over 4h"
    )
    queue: str | None = Field(None, description="of one queue only", pattern=r"^[A-Za-z0-9_.:-]{1,128}$")


class Minute(BaseModel):
    """Every queue over the last minute."""

    items: list[stats.QueueMinute]


class Points(BaseModel):
    """A series in order of time; its last point is under way, and `total` is all of them as one."""

    at: datetime
    window_seconds: int
    step_seconds: int
    queue: str | None
    items: list[stats.Point]
    total: stats.Point


def endpoints(app: Any, counts: Counts) -> tuple[Endpoint, ...]:
    """Give the endpoints, with one cache for JSON and Prometheus."""
    minute = Sampler(lambda: app.reads.together(stats.last_minute))
    metrics = registry(app, counts, minute.get)
    series: Any = {"method": "GET", "scope": "read", "tag": "metrics"}
    return (
        Endpoint(
            path="/metrics",
            name="metrics",
            summary="What each queue has done in the last minute, and what waits and runs",
            answer=lambda _call: Minute.model_construct(items=minute.get()),
            response=Minute,
            errors=(503,),
            **series,
        ),
        Endpoint(
            path="/metrics/prom",
            name="prometheus_metrics",
            summary="The numbers of this process, and of all queues, for Prometheus",
            answer=lambda _call: Answer(generate_latest(metrics), media_type=CONTENT_TYPE_LATEST),
            media_type="text/plain",
            **series,
        ),
        Endpoint(
            path="/stats",
            name="stats",
            summary="Counts, rates and percentiles over a window, in steps",
            answer=_series,
            query=Window,
            response=Points,
            errors=(422, 503),
            **series,
        ),
    )


def _series(call: Call) -> dict[str, object]:
    asked: Window = call.query
    step = asked.step or next(s for s in STEPS if asked.window / s <= POINTS_WANTED)
    _check(asked.window, step)
    if step % MINUTE:
        found = call.app.reads.run(stats.series(asked.window, step, asked.queue))
    else:
        found = call.app.reads.together(lambda run: minutes.series(run, asked.window, step, asked.queue))
    shown = {"at": found.at, "window_seconds": asked.window, "step_seconds": step, "queue": asked.queue}
    return {**shown, "items": found.points, "total": found.total}


def _check(window: int, step: int) -> None:
    least = stats.BUCKET_SECONDS if window <= FINE_SECONDS else MINUTE
    if step % least:
        detail = f"a window of {window} s takes a step that is a multiple of {least} s: not {step} s"
    elif window / step > stats.MOST_POINTS:
        detail = f"a window of {window} s has more than {stats.MOST_POINTS} steps of {step} s: take a longer step"
    elif step > window:
        detail = f"a step of {step} s is longer than the window of {window} s: take a shorter step"
    else:
        return
    raise Problem(422, "INVALID_VALUE", detail, pointer="?step")
