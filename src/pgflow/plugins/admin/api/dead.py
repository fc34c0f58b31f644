"""GET /dlq, GET /dlq/groups and POST /dlq/replay: the jobs that gave up."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field, Strict

from pgflow.admin import DeadFilter, DeadGroup, DeadJob, Endpoint, dead_listing, look
from pgflow.plugins.admin.api.fields import Code, Fingerprint, Given, JobsAsked, JobsWanted, Name
from pgflow.plugins.admin.api.lists import All, Listed, opened, sealed
from pgflow.plugins.admin.api.rows import JobItem, item, masked, plain
from pgflow.plugins.admin.api.shared import GROUPS

if TYPE_CHECKING:
    from pgflow.admin import Call

AT_ONCE: Final = 500
MOST_REPLAYS: Final = 10_000
GROUP_CHARACTERS: Final = 500

Rate = Annotated[float, Strict(), Field(ge=0.001, le=10_000, allow_inf_nan=False)]


class DeadQuery(JobsAsked):
    """Parameters of GET /dlq."""

    reason_code: Code | None = Field(None, description="only those that gave up for this reason")
    fingerprint: Fingerprint | None = Field(None, description="only those whose error is of this group")
    open: bool = Field(False, description="leave out those replayed or discarded")


class GroupsQuery(Given):
    """Parameters of GET /dlq/groups."""

    queue: Name | None = Field(None, description="only of this queue")
    limit: Annotated[int, Field(ge=1, le=500)] = Field(100, description="the most groups to give, 1 to 500")


class DeadWanted(JobsWanted):
    """Which open dead letters; what is left out lets everything pass."""

    reason_code: Code | None = Field(None, description="only those that gave up for this reason")
    fingerprint: Fingerprint | None = Field(None, description="only those whose error is of this group")


class ReplayDeadBody(Given):
    """Which open dead letters to replay, and how fast."""

    filter: DeadWanted = Field(description="which ones; {} means all")
    rate: Rate | None = Field(None, description="new jobs a second: each may run so much later than the one before")
    limit: Annotated[int, Strict(), Field(ge=1, le=MOST_REPLAYS)] = Field(
        1_000, description="the most to replay now, 1 to 10,000; the newest deaths first"
    )
    dry_run: Annotated[bool, Strict()] = Field(False, description="only count")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadItem(JobItem):
    """A job that gave up, and what became of its dead letter."""

    dead_at: datetime
    replayed_as: str | None
    discarded_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupItem:
    """Open dead letters with one reason, task and error, numbers and ids in its text made alike.

    `deaths` counts them in 24 equal parts of the time from `since` until `until`, the same for every group.
    """

    reason_code: str
    job_type: str
    task: str
    error_code: str | None
    fingerprint: str
    count: int
    first_at: datetime
    last_at: datetime
    newest_job_id: str
    error_message: str | None
    since: datetime
    until: datetime
    deaths: list[int]


@dataclass(frozen=True, slots=True)
class ReplayedDead:
    """What was replayed, or with `dry_run` would be. `more` is true where the limit left some, or the search ended.

    `last_run_in_seconds` says when the last of the new jobs may run.
    """

    matched: int
    replayed: int
    more: bool
    dry_run: bool
    last_run_in_seconds: float
    items: list[dict[str, str]]


def dead(call: Call) -> Listed[DeadItem]:
    """List dead jobs."""
    asked: DeadQuery = call.query
    filters = asked.filters()
    place = opened(call, "dlq", filters)
    wanted = DeadFilter(
        jobs=asked.filter(limit=asked.limit),
        reason_code=asked.reason_code,
        fingerprint=asked.fingerprint,
        open_only=asked.open,
        before=tuple(place) if place else None,
    )
    page = call.app.reads.together(lambda run: dead_listing(run, wanted))
    following = sealed(call, "dlq", filters, page.next)
    return Listed([dead_item(one) for one in page.items], following, None if page.complete else following)


def dead_item(one: DeadJob) -> DeadItem:
    """Show a dead job."""
    shown = {**plain(item(one.job)), "reason_code": one.reason_code, "dlq_reason_code": one.reason_code}
    return DeadItem(**shown, dead_at=one.dead_at, replayed_as=one.replayed_as, discarded_at=one.discarded_at)


def groups(call: Call) -> All[GroupItem]:
    """List groups, the largest first."""
    asked: GroupsQuery = call.query
    if asked.queue is None:
        found = GROUPS.of(call.app)[: asked.limit]
    else:
        found = call.app.reads.run(look.dead_groups(queue=asked.queue, limit=asked.limit))
    return All([group_item(group) for group in found])


def group_item(group: DeadGroup) -> GroupItem:
    """Show a group."""
    message = masked(group.error_message, GROUP_CHARACTERS)
    shown = {**plain(group), "error_message": message, "deaths": list(group.deaths)}
    return GroupItem(**shown, job_type=group.task)


def replay_dead(call: Call) -> ReplayedDead:
    """Replay open dead letters, spread over time where a rate is given."""
    asked: ReplayDeadBody = call.body
    found, more = _open_letters(call, asked)
    pairs: dict[str, str] = {}
    if not asked.dry_run:
        for first in range(0, len(found), AT_ONCE):
            pairs |= _replay(call, found[first : first + AT_ONCE], len(pairs), asked.rate)
    call.note.update(asked.model_dump(mode="json", exclude_defaults=True), matched=len(found), replayed=len(pairs))
    jobs = len(found) if asked.dry_run else len(pairs)
    last = max(jobs - 1, 0) / asked.rate if asked.rate else 0.0
    items = [{"new_job_id": new, "replay_of_job_id": old} for old, new in pairs.items()]
    return ReplayedDead(len(found), len(pairs), more, asked.dry_run, round(last, 3), items)


def _open_letters(call: Call, asked: ReplayDeadBody) -> tuple[list[str], bool]:
    wanted = DeadFilter(
        jobs=asked.filter.filter(limit=AT_ONCE),
        reason_code=asked.filter.reason_code,
        fingerprint=asked.filter.fingerprint,
        open_only=True,
    )
    found: list[str] = []
    while True:
        most = replace(wanted, jobs=replace(wanted.jobs, limit=min(AT_ONCE, asked.limit - len(found))))
        page = call.app.reads.together(lambda run, most=most: dead_listing(run, most))
        found += [one.job.id for one in page.items]
        if page.next is None or len(found) >= asked.limit or not page.complete:
            return found, page.next is not None
        wanted = replace(wanted, before=page.next)


def _replay(call: Call, ids: list[str], before: int, rate: float | None) -> dict[str, str]:
    # by the database's clock, counted from when each chunk is stored, which is within the same second or two
    delay = (lambda place: (before + place) / rate) if rate else None
    replayed: dict[str, str] = call.app.door.replay_dead(ids, delay)
    return replayed


def endpoints() -> tuple[Endpoint, ...]:
    """Give the endpoints of dead letters."""
    return (
        Endpoint(
            method="GET", path="/dlq", name="list_dead", summary="List jobs that gave up, the newest death first",
            scope="read", answer=dead, query=DeadQuery, response=Listed[DeadItem], errors=(400, 422),
            tag="dead letters",
        ),
        Endpoint(
            method="GET", path="/dlq/groups", name="dead_groups", summary="Count open dead letters by their error",
            scope="read", answer=groups, query=GroupsQuery, response=All[GroupItem], errors=(422,),
            tag="dead letters",
        ),
        Endpoint(
            method="POST", path="/dlq/replay", name="replay_dead", summary="Replay open dead letters, at a rate",
            scope="operate", answer=replay_dead, body=ReplayDeadBody, response=ReplayedDead, errors=(413, 422, 429),
            changes=True, tag="dead letters",
        ),
    )  # fmt: skip
