"""GET /jobs/{id} and what is told of one job: its timeline, why it is where it is, its relatives."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pgflow import OutcomeKind
from pgflow.admin import Endpoint, explain, lineage, look, redacted, timeline
from pgflow.plugins.admin.api.fields import status_of
from pgflow.plugins.admin.api.rows import (
    AttemptItem,
    JobDetail,
    JobItem,
    attempt_item,
    detail,
    item,
    masked,
    sensitive_of,
)

if TYPE_CHECKING:
    from pgflow.admin import Call, JobRow, Run


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a job."""

    at: datetime
    event: str
    details: dict[str, Any]


@dataclass(frozen=True, slots=True)
class JobTimeline:
    """What happened to a job: its runs, and all events in time order; a hand-over given back is an event only."""

    job_id: str
    state: str
    status: str
    queue: str
    job_type: str
    run_at: datetime
    next_run_at: datetime | None
    last_worker_id: str | None
    last_error: str | None
    attempts: list[AttemptItem]
    events: list[Event]


@dataclass(frozen=True, slots=True)
class JobExplanation:
    """Why a job is where it is: a paragraph for people, and its parts for programs."""

    job_id: str
    state: str
    status: str
    explanation: str
    suggested_action: str | None
    next_run_at: datetime | None
    parts: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Relative(JobItem):
    """A job of a family. `relation` says what it is to `of`: its replay, or its child; null for the eldest.

    `depth` is its distance from the eldest.
    """

    relation: str | None
    of: str | None
    depth: int


@dataclass(frozen=True, slots=True)
class Family:
    """The tree of replays, parents and children a job stands in, oldest first.

    `complete` is false where it has more than 1,000 jobs.
    """

    job_id: str
    root_id: str
    items: list[Relative]
    complete: bool


def job(call: Call) -> JobDetail:
    """Show one job."""

    def read(run: Run) -> JobDetail:
        row = run(look.job(call.path["job_id"]))
        return detail(call.app, row, run(look.attempts(row.id)))

    shown: JobDetail = call.app.reads.together(read)
    return shown


def job_timeline(call: Call) -> JobTimeline:
    """Tell what happened to a job."""
    told = call.app.reads.together(lambda run: timeline(run, call.path["job_id"]))
    shown = item(told.job, message_characters=None)
    sensitive = sensitive_of(call.app, told.job.task)
    return JobTimeline(
        job_id=shown.job_id,
        state=shown.state,
        status=shown.status,
        queue=shown.queue,
        job_type=shown.job_type,
        run_at=shown.run_at,
        next_run_at=shown.next_run_at,
        last_worker_id=shown.last_worker_id,
        last_error=shown.last_error,
        attempts=[attempt_item(run, sensitive) for run in told.attempts if run.outcome is not OutcomeKind.RELEASED],
        events=[Event(event.at, event.event, redacted(event.details)) for event in told.events],
    )


def job_explained(call: Call) -> JobExplanation:
    """Explain why a job is where it is."""
    told = call.app.reads.together(lambda run: explain(run, call.path["job_id"]))
    parts = redacted(told.parts)
    return JobExplanation(
        job_id=told.job_id,
        state=told.state.value,
        status=status_of(told.state),
        explanation=masked(told.paragraph) or "",
        suggested_action=parts["suggested_action"],
        next_run_at=parts["next_run_at"],
        parts=parts,
    )


def job_lineage(call: Call) -> Family:
    """Show the tree a job stands in."""
    told = call.app.reads.together(lambda run: lineage(run, call.path["job_id"]))
    depths: dict[str, int] = {}
    relatives: list[Relative] = []
    for row in told.jobs:
        relation, of = _relation(row)
        depths[row.id] = depths.get(of, 0) + 1 if of else 0
        shown = item(row)
        known = {name: getattr(shown, name) for name in JobItem.__dataclass_fields__}
        relatives.append(Relative(**known, relation=relation, of=of, depth=depths[row.id]))
    return Family(call.path["job_id"], told.root_id, relatives, told.complete)


def _relation(row: JobRow) -> tuple[str | None, str | None]:
    if row.replay_of:
        return "replay", row.replay_of
    return ("child", row.parent_id) if row.parent_id else (None, None)


def _reading(path: str, name: str, summary: str, answer: Any, response: Any) -> Endpoint:
    return Endpoint(
        method="GET", path=f"/jobs/{{job_id}}{path}", name=name, summary=summary, scope="read", answer=answer,
        response=response, errors=(404,),
    )  # fmt: skip


ENDPOINTS = (
    _reading("", "get_job", "Show one job, everything but its secrets", job, JobDetail),
    _reading("/timeline", "job_timeline", "Tell what happened to a job, in time order", job_timeline, JobTimeline),
    _reading("/explain", "explain_job", "Explain why a job is where it is", job_explained, JobExplanation),
    _reading("/lineage", "job_lineage", "Show the replays, parents and children of a job", job_lineage, Family),
)
