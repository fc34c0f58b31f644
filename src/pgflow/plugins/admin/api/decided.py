"""GET /decisions/stats: how often guardrails refused and policies put off, over a window in steps, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from pgflow.admin import Endpoint, Statement, load
from pgflow.plugins.admin.api.fields import Code, Given, Name

if TYPE_CHECKING:
    from pgflow.admin import Call

    Rows = list[tuple[Any, ...]]

DECIDED: Final = load("decided", package=__package__)
WINDOWS: Final[dict[str, tuple[int, int]]] = {
    "15m": (900, 10), "1h": (3_600, 60), "6h": (21_600, 300), "24h": (86_400, 600), "7d": (604_800, 3_600),
}  # fmt: skip
"""The windows that can be asked for: how long each is and its steps are, seconds."""


class DecidedQuery(Given):
    """Parameters of the series of decisions."""

    window: Literal["15m", "1h", "6h", "24h", "7d"] = Field("24h", description="how far back: 15m, 1h, 6h, 24h or 7d")
    queue: Name | None = Field(None, description="only about this queue")
    reason_code: Code | None = Field(None, description="only with this reason")


@dataclass(frozen=True, slots=True)
class DecidedPoint:
    """One step: how often enqueues were refused (`ingest`) and jobs or their queue put off (`policy`)."""

    at: datetime
    ingest: int
    policy: int


@dataclass(frozen=True, slots=True)
class DecidedReason:
    """One reason over the whole window."""

    kind: str
    reason_code: str
    count: int


@dataclass(frozen=True, slots=True)
class Decided:
    """A series in order of time, whose last point is under way, its total, and its reasons, the most frequent first.

    The newest 20,000 records are read; `since` is where they end if there are more.
    """

    at: datetime
    window_seconds: int
    step_seconds: int
    since: datetime | None
    items: list[DecidedPoint]
    total: DecidedPoint
    reasons: list[DecidedReason]


def decided(window: int, step: int, *, queue: str | None = None, reason_code: str | None = None) -> Statement[Decided]:
    """Count decisions over a window of so many seconds, in steps of so many."""
    params = {"window": window, "step": step, "queue": queue, "reason_code": reason_code}
    return Statement(DECIDED, params, lambda rows: _series(rows, window, step))


def _series(rows: Rows, window: int, step: int) -> Decided:
    now, since = rows[0][:2]
    steps: Counter[tuple[int, str]] = Counter()
    reasons: Counter[tuple[str, str]] = Counter()
    for _, _, nth, kind, reason, count in rows:
        if nth is not None:
            steps[nth, kind] += count
            reasons[kind, reason] += count
    last = int(now // step)
    shown = range(last - window // step, last + 1)
    points = [DecidedPoint(_moment(nth * step), steps[nth, "ingest"], steps[nth, "policy"]) for nth in shown]
    return Decided(
        at=_moment(now),
        window_seconds=window,
        step_seconds=step,
        since=since,
        items=points,
        total=DecidedPoint(points[0].at, sum(one.ingest for one in points), sum(one.policy for one in points)),
        reasons=[DecidedReason(kind, reason, count) for (kind, reason), count in reasons.most_common()],
    )


def _moment(epoch: float) -> datetime:
    return datetime.fromtimestamp(epoch, UTC)


def _answer(call: Call) -> Decided:
    asked: DecidedQuery = call.query
    window, step = WINDOWS[asked.window]
    found: Decided = call.app.reads.run(decided(window, step, queue=asked.queue, reason_code=asked.reason_code))
    return found


ENDPOINTS = (
    Endpoint(
        method="GET", path="/decisions/stats", name="decision_stats", summary="Count decisions over a window, in steps",
        scope="read", answer=_answer, query=DecidedQuery, response=Decided, errors=(422,), tag="decisions",
    ),
)  # fmt: skip
