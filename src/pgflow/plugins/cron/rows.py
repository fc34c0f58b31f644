"""A schedule as it is stored, and the statements that read and write schedules."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pgflow.admin import Statement, first_column, load, nothing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.admin import Query

    Rows = list[tuple[Any, ...]]
    Timed = list[tuple["ScheduleRow", datetime]]

SLOT_KEPT_DAYS: Final = 7


def _sql(name: str) -> Query:
    return load(name, package=__package__ or "")


LIST: Final = _sql("list")
LOCK: Final = _sql("lock")
DUE: Final = _sql("due")
WAIT: Final = _sql("wait")
TAKE_SLOTS: Final = _sql("take_slots")
ADVANCE: Final = _sql("advance")
PUT: Final = _sql("put")
SEEN: Final = _sql("seen")
RETIRE: Final = _sql("retire")
REMOVE: Final = _sql("remove")
PAUSE: Final = _sql("pause")
RESUME: Final = _sql("resume")
RAN: Final = _sql("ran")
OVERDUE: Final = _sql("overdue")
CLOCK: Final = _sql("clock")


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A schedule as it stands.

    It has either `cron` or `seconds`. `next_at` is the slot it waits for; `last_at` is when it last made a job.
    Of its slots, `fired` made a job, `missed` were older than the grace, `coalesced` gave way to a later one, and
    `refused` met a guardrail or arguments that do not fit, as `last_error` says until a job is made again.
    `upcoming` are the next slots, where they were asked for.
    """

    name: str
    kind: Literal["static", "dynamic"]
    task: str
    queue: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    cron: str | None
    seconds: float | None
    tz: str
    jitter: float
    misfire_grace: float
    coalesce: bool
    paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    anchor_at: datetime
    next_at: datetime | None
    last_at: datetime | None
    last_job_id: str | None
    last_error: str | None
    fired: int
    missed: int
    coalesced: int
    refused: int
    created_at: datetime
    updated_at: datetime
    upcoming: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A schedule to be stored; the fields are the columns that put.sql names."""

    name: str
    task: str
    queue: str | None
    args: list[Any]
    kwargs: dict[str, Any]
    cron: str | None
    seconds: float | None
    tz: str
    jitter: float
    misfire_grace: float
    coalesces: bool
    anchor_at: str
    next_at: str | None


def listing(names: Sequence[str] | None = None, *, after: str | None = None, most: int = 500) -> Statement[Timed]:
    """Read schedules in the order of their names, each with the database's time."""
    return Statement(LIST, {"names": None if names is None else list(names), "after": after, "most": most}, _timed)


def lock(names: Sequence[str]) -> Statement[Timed]:
    """Read schedules and keep others from changing them until the transaction ends."""
    return Statement(LOCK, {"names": list(names)}, _timed)


def due(declared: Sequence[str], tasks: Sequence[str], spared: Sequence[str]) -> Statement[Timed]:
    """Lock one schedule that is due: static and `declared` here, or dynamic and of `tasks`; none of the `spared`."""
    return Statement(DUE, _whose(declared, tasks, spared), _timed)


def wait(declared: Sequence[str], tasks: Sequence[str], spared: Sequence[str]) -> Statement[float | None]:
    """Ask in how many seconds the next of these is due; None for never."""
    return Statement(WAIT, _whose(declared, tasks, spared), lambda rows: rows[0][0] if rows else None)


def take_slots(keys: Sequence[str]) -> Statement[list[str]]:
    """Take slots; gives the keys that nobody had taken."""
    return Statement(TAKE_SLOTS, {"keys": list(keys), "days": SLOT_KEPT_DAYS}, first_column)


def advance(
    name: str,
    next_at: datetime | None,
    jobs: dict[str, str],
    *,
    missed: int,
    coalesced: int,
    refused: int,
    error: str | None,
) -> Statement[None]:
    """Move a schedule on. `jobs` gives the ids of the jobs by their slots' keys."""
    params = {
        "name": name, "next_at": next_at, "keys": list(jobs), "job_ids": list(jobs.values()), "missed": missed,
        "coalesced": coalesced, "refused": refused, "error": error,
    }  # fmt: skip
    return Statement(ADVANCE, params, nothing)


def put(kind: Literal["static", "dynamic"], schedules: Sequence[Asked]) -> Statement[list[str]]:
    """Store schedules; gives the names of those stored, without any that is of the other kind."""
    text = json.dumps([asdict(schedule) for schedule in schedules])
    return Statement(PUT, {"kind": kind, "schedules": text}, first_column)


def seen(names: Sequence[str]) -> Statement[None]:
    """Say that static schedules are declared by a live worker."""
    return Statement(SEEN, {"names": list(names)}, nothing)


def retire(seconds: float) -> Statement[list[str]]:
    """Remove static schedules that were not seen for so long; gives their names."""
    return Statement(RETIRE, {"seconds": seconds}, first_column)


def remove(name: str) -> Statement[list[str]]:
    """Remove a dynamic schedule; gives its name, or nothing."""
    return Statement(REMOVE, {"name": name}, first_column)


def pause(name: str, reason: str | None) -> Statement[list[str]]:
    """Pause a schedule; gives its name, or nothing."""
    return Statement(PAUSE, {"name": name, "reason": reason}, first_column)


def resume(name: str, next_at: datetime | None) -> Statement[None]:
    """Let a schedule go on with a slot."""
    return Statement(RESUME, {"name": name, "next_at": next_at}, nothing)


def ran(name: str, job_id: str) -> Statement[None]:
    """Note a job made by hand."""
    return Statement(RAN, {"name": name, "job_id": job_id}, nothing)


def overdue(seconds: float) -> Statement[Rows]:
    """Ten schedules most overdue: name, task, seconds, and whether a live worker knows the task."""
    return Statement(OVERDUE, {"seconds": seconds}, list)


def now() -> Statement[datetime]:
    """Read the database's clock."""
    return Statement(CLOCK, {}, lambda rows: rows[0][0])


def _whose(declared: Sequence[str], tasks: Sequence[str], spared: Sequence[str]) -> dict[str, list[str]]:
    return {"declared": list(declared), "tasks": list(tasks), "spared": list(spared)}


def _timed(rows: Rows) -> Timed:
    return [(ScheduleRow(*row[:-1]), row[-1]) for row in rows]
