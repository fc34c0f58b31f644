"""What people and programs see when they look at the store: frozen values, and no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from pgflow.model import NewJob

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pgflow.model import Attempt, JobRow, State

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs to list, newest first; None lets everything pass.

    `before` is a job id, the cursor: only older jobs follow. `text` is looked for in the last error. `tag` is one of
    the header `tags`, or the header `tag`. `arguments` holds paths such as `order.id` (or `0.id` for a positional
    argument) and their text.
    Arguments and headers are read only with `payloads`: a hundred of them may be 25 MB.
    """

    state: State | None = None
    queue: str | None = None
    task: str | None = None
    worker: str | None = None
    error_code: str | None = None
    tag: str | None = None
    dataset: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    text: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    before: str | None = None
    limit: int = 100
    payloads: bool = False


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some of a list. `next` is the cursor to go on from, None at the end.

    `complete` is False where the search stopped at its bound before the page was full.
    """

    items: list[T]
    next: str | None
    complete: bool = True


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A job that gave up, and what became of it."""

    job_id: str
    dead_at: datetime
    attempt: int
    queue: str
    task: str
    reason_code: str
    error_code: str | None
    error_message: str | None
    replayed_as: str | None
    discarded_at: datetime | None

    @property
    def is_open(self) -> bool:
        """True where nobody has replayed or discarded it."""
        return self.replayed_as is None and self.discarded_at is None


@dataclass(frozen=True, slots=True)
class DeadGroup:
    """Open dead letters with one reason, task and error, numbers and ids in its text made alike.

    `deaths` counts them in 24 equal parts of the time from `since` until `until`, the same for every group.
    """

    reason_code: str
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
    deaths: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue at a glance. `depth` is exact unless `depth_is_estimate`; `oldest_wait` in seconds.

    Its limits are those that operators set; None is no limit.
    """

    name: str
    depth: int
    depth_is_estimate: bool
    scheduled: int
    running: int
    oldest_wait: float | None
    workers: int
    paused: bool
    paused_reason: str | None
    paused_at: datetime | None
    max_in_flight: int | None
    max_attempts_per_minute: int | None
    throttle_delay_ms: int | None


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """What operators have set for one queue; None is no limit.

    `throttle_delay_ms` is how long a queue that was held back is left alone; None is a second.
    """

    name: str
    paused: bool
    paused_reason: str | None
    max_in_flight: int | None
    max_attempts_per_minute: int | None
    throttle_delay_ms: int | None


@dataclass(frozen=True, slots=True)
class WorkerRow:
    """A worker as its last heartbeat said. `beat_age` in seconds, on the database's clock."""

    id: str
    host: str
    pid: int
    version: str
    backend: str
    queues: tuple[str, ...]
    tasks: tuple[str, ...]
    slots: int
    running: int
    leased: int
    stopping: bool
    started_at: datetime
    beat_at: datetime
    beat_age: float
    alive: bool
    long_running: object


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """What a guardrail (kind `ingest`) or a policy (kind `policy`) decided.

    Where the same was decided often in a short time it is one row: `count` says how often, `last_at` when last.
    """

    id: int
    created_at: datetime
    kind: str
    queue: str
    task: str | None
    job_id: str | None
    decision: str
    reason_code: str
    details: object
    count: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class Ending:
    """A job's last recorded outcome, as one who waits for it wants to know it; state None while it goes on."""

    state: State | None
    result: object
    error_code: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """Something that happened to a job."""

    at: datetime
    event: str
    details: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Timeline:
    """All that is on record about one job: it, its runs, and what happened in time order."""

    job: JobRow
    attempts: list[Attempt]
    events: list[TimelineEvent]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a job is where it is, in a paragraph for people and in parts for programs."""

    job_id: str
    state: State
    paragraph: str
    parts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one job of those named. `done` is False where nothing was changed.

    `result` is `cancelled`, `asked`, `retried`, `replayed` or `discarded`, else `refused` or `missing`;
    `state` is where the job was found.
    """

    job_id: str
    result: str
    state: State | None

    @property
    def done(self) -> bool:
        """True where the wish was carried out or stored."""
        return self.result not in ("refused", "missing")


class Source(NamedTuple):
    """What a replay takes over from an older job."""

    job_id: str
    state: str | None
    queue: str
    task: str
    args: str | None
    kwargs: str | None
    priority: int
    max_attempts: int
    timeout: float | None
    keep_result: bool
    headers: Mapping[str, object] | None
    root_id: str

    def new_job(self, job_id: str, *, queue: str | None = None, run_at: datetime | None = None) -> NewJob:
        """Ask for the same again under a new id. The older job's expiry is not taken over."""
        return NewJob(
            id=job_id,
            queue=queue or self.queue,
            task=self.task,
            args=self.args,
            kwargs=self.kwargs,
            priority=self.priority,
            max_attempts=self.max_attempts,
            timeout=self.timeout,
            run_at=run_at,
            keep_result=self.keep_result,
            headers=self.headers,
            root_id=self.root_id,
            replay_of=self.job_id,
        )


@dataclass(frozen=True, slots=True)
class Check:
    """One finding of the doctor's; `remedy` is empty where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One bucket of jobs and attempts. Bounds are None for the default partition; sizes are estimates."""

    name: str
    starts_at: datetime | None
    ends_at: datetime | None
    jobs: int
    bytes: int
