"""A job's life as stretches of time, each in one state and in somebody's hands, made of the events on record."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from pgflow.model import FINAL_STATES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

WIDTH: Final = 1_000.0
LEAST_WIDTH: Final = 3.0
"""A run of a millisecond beside a wait of an hour is still to be seen."""
COMES_BACK: Final = {"failed": "retrying", "lost": "retrying", "snoozed": "scheduled"}
BEGINS: Final = ("claimed", "started")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in one state. `until` is None for the last one, which goes on or is the end; `how` is how a run ended."""

    state: str
    since: datetime
    until: datetime | None = None
    who: str | None = None
    attempt: int | None = None
    how: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long it was."""
        return None if self.until is None else (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch on the scale."""

    x: float
    width: float
    stretch: Stretch


@dataclass(frozen=True, slots=True)
class Scale:
    """Stretches drawn to scale, and the moments below them."""

    bars: list[Bar]
    ticks: list[float]
    seconds: float


def stretches(events: Iterable[Any]) -> list[Stretch]:
    """Tell a job's events, which are in time order, as stretches."""
    made: list[Stretch] = []
    due: datetime | None = None
    for event in events:
        following = _following(event, made[-1] if made else None)
        if following is None:
            if event.event == "retry" and made:
                due = _moment(event.details.get("run_at"))
            continue
        if made:
            made[-1:] = _closed(made[-1], event, due)
        due = _moment(event.details.get("run_at"))
        made.append(following)
    if made and made[-1].state in ("retrying", "scheduled") and due is not None and due < datetime.now(UTC):
        # its time has come, and nothing on record says more
        made[-1:] = [replace(made[-1], until=due), Stretch("queued", due)]
    return made


def scaled(told: Sequence[Stretch], now: datetime | None = None) -> Scale | None:
    """Put stretches on one scale; None where there is no length to draw."""
    if not told:
        return None
    last = told[-1]
    end = last.since if last.state in FINAL_STATES else max(now or datetime.now(UTC), last.since)
    whole = (end - told[0].since).total_seconds()
    if whole <= 0:
        return None
    bars = []
    for one in told:
        begin = (one.since - told[0].since).total_seconds() / whole * WIDTH
        seconds = ((one.until or end) - one.since).total_seconds()
        width = max(seconds / whole * WIDTH, LEAST_WIDTH)
        bars.append(Bar(round(min(begin, WIDTH - width), 2), round(width, 2), one))
    # short ones are drawn last, over the long ones they would vanish behind
    return Scale(sorted(bars, key=lambda bar: -bar.width), [whole * part / 4 for part in range(5)], whole)


def _following(event: Any, before: Stretch | None) -> Stretch | None:
    kind, at, details = event.event, event.at, event.details
    if kind == "enqueued":
        return Stretch("scheduled" if details.get("run_at") else "queued", at)
    if kind in BEGINS:
        if before is not None and before.state == "running" and before.attempt == details.get("attempt_no"):
            return None
        return Stretch("running", at, who=details.get("worker_id"), attempt=details.get("attempt_no"))
    if kind in COMES_BACK:
        return Stretch(COMES_BACK[kind], at)
    if kind in ("released", "run_now"):
        return Stretch("queued", at)
    return Stretch(kind, at, who=_canceller(details)) if kind in FINAL_STATES else None


def _closed(before: Stretch, event: Any, due: datetime | None) -> list[Stretch]:
    if before.state == "running":
        # a run that was the last one failed: that the job is dead of it is the next step
        return [replace(before, until=event.at, how="failed" if event.event == "dead" else event.event)]
    if before.state in ("retrying", "scheduled") and due is not None and before.since < due < event.at:
        return [replace(before, until=due), Stretch("queued", due, event.at)]
    return [replace(before, until=event.at)]


def _canceller(details: Mapping[str, Any]) -> str | None:
    said = str(details.get("error_message") or "")
    return said.removeprefix("cancelled by ") if said.startswith("cancelled by ") else None


def _moment(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(value) if isinstance(value, str) else None
