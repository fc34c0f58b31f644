"""The values that travel: what was asked, what is in hand, how it ended. Frozen, and no I/O."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

from pgflow.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
MOST_KEY_CHARACTERS: Final = 255
KEY_PATTERN: Final = re.compile(rf"[^\x00\ud800-\udfff]{{1,{MOST_KEY_CHARACTERS}}}")
EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
INT32_MAX: Final = 2**31 - 1


class State(StrEnum):
    """Where a job is; derived from the tables, never stored."""

    QUEUED = "queued"
    SCHEDULED = "scheduled"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """True where the job will not run again by itself."""
        return self in FINAL_STATES


FINAL_STATES: Final = frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED, State.EXPIRED})


class OutcomeKind(StrEnum):
    """How one hand-over of a job ended. The last four of these are a job's final states."""

    FAILED = "failed"
    SNOOZED = "snoozed"
    RELEASED = "released"
    LOST = "lost"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class NewJob:
    """What is asked for, before it is stored. `args` and `kwargs` are JSON text, or None where empty.

    `timeout`, `delay` and `expires_in` are seconds. `run_at` and `expires_at` are aware datetimes. Of one `unique_key`
    there is one job that has not ended.
    """

    id: str
    queue: str
    task: str
    args: str | None = None
    kwargs: str | None = None
    priority: int = 0
    max_attempts: int = 25
    timeout: float | None = None
    delay: float | None = None
    run_at: datetime | None = None
    expires_in: float | None = None
    expires_at: datetime | None = None
    keep_result: bool = False
    headers: Mapping[str, object] | None = None
    unique_key: str | None = None
    parent_id: str | None = None
    root_id: str | None = None
    replay_of: str | None = None

    def __post_init__(self) -> None:
        """Refuse what the tables could not hold. Raises `ArgumentError` naming the field."""
        check_name("queue", self.queue)
        check_name("task", self.task)
        check_integer("priority", self.priority, -INT32_MAX)
        check_integer("max_attempts", self.max_attempts, 1)
        for name in ("timeout", "delay", "expires_in"):
            check_seconds(name, getattr(self, name), positive=name != "delay")
        check_time("run_at", self.run_at)
        check_time("expires_at", self.expires_at)
        if self.unique_key is not None:
            check_key("unique_key", self.unique_key)
        # what is as usual is looked up in the class: a copy of what is left costs a third
        unusual = {name: value for name, value in self.__dict__.items() if value is not USUAL.get(name, self)}
        object.__setattr__(self, "__dict__", {**unusual, "args": self.args, "kwargs": self.kwargs, "_mould": object()})

    def with_call(self, job_id: str, args: str | None, kwargs: str | None) -> NewJob:
        """Return this job under another id and with other arguments.

        The other fields were checked when this one was made and are not looked at again, which makes it
        a fortieth as dear as `dataclasses.replace`. It is also why the class has no slots.
        """
        job = object.__new__(NewJob)
        fields = self.__dict__.copy()
        fields["id"], fields["args"], fields["kwargs"] = job_id, args, kwargs
        object.__setattr__(job, "__dict__", fields)
        return job

    @property
    def mould(self) -> object:
        """What jobs made by `with_call` of one job have in common: they differ in id and arguments alone."""
        return self.__dict__["_mould"]

    @property
    def payload_bytes(self) -> int:
        """The size of the arguments as stored, in bytes of UTF-8."""
        args, kwargs = self.args, self.kwargs
        return (_utf8_length(args) if args else 0) + (_utf8_length(kwargs) if kwargs else 0)


USUAL: Final = {field.name: field.default for field in fields(NewJob) if field.default is not MISSING}


class Claimed(NamedTuple):
    """A job in this worker's hands: one numbered attempt under one lease, as the claim returned it.

    `task` is None where the entry has no job; `waited` and `age` are seconds since the entry's and the
    job's own run_at, read when it was claimed; `age` is 0 on the first attempt, where they are the same.
    """

    lease_id: str
    job_id: str
    attempt: int
    spent: int
    suspect: bool
    rank: int
    queue: str
    task: str | None
    args: str | None
    kwargs: str | None
    max_attempts: int
    timeout: float | None
    keep_result: bool
    expired: bool
    cancelled: bool
    headers: Mapping[str, object] | None
    waited: float
    age: float


class Outcome(NamedTuple):
    """How a claimed job's hand-over ended, not yet stored.

    `started` and `finished` are readings of `time.monotonic()`; they travel to the database as ages.
    `delay` is the seconds until the next run, None where there is none; `spent` is the new count;
    `suspect` says that the next run is again one of a suspect.
    """

    job: Claimed
    kind: OutcomeKind
    started: float
    finished: float
    spent: int
    delay: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    traceback: str | None = None
    result: str | None = None
    reason_code: str | None = None
    suspect: bool = False


@dataclass(frozen=True, slots=True)
class Attempt:
    """One hand-over of a job on record."""

    attempt: int
    outcome: OutcomeKind
    worker_id: str | None
    started_at: datetime | None
    finished_at: datetime
    error_code: str | None
    error_message: str | None
    traceback: str | None
    next_run_at: datetime | None
    spent: int = 0
    result: object = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job as it stands, for people and programs that look.

    `attempt` is the number of the run to come, under way or last; `dataset` names the bucket it is stored in.
    """

    id: str
    state: State
    queue: str
    task: str
    args: object
    kwargs: object
    priority: int
    max_attempts: int
    attempt: int
    spent: int
    created_at: datetime
    run_at: datetime
    next_run_at: datetime | None
    expires_at: datetime | None
    finished_at: datetime | None
    worker_id: str | None
    error_code: str | None
    error_message: str | None
    reason_code: str | None
    replay_of: str | None
    root_id: str | None
    parent_id: str | None
    headers: Mapping[str, object] | None
    dataset: str
    timeout: float | None = None
    keep_result: bool = False
    unique_key: str | None = None


def check_name(what: str, value: object) -> str:
    """Return a queue's, task's or worker's name. Raises `ArgumentError` where it is not one."""
    if not isinstance(value, str) or not NAME_PATTERN.fullmatch(value):
        msg = f"{what} {value!r} is not a name: use 1 to 128 of the characters A-Z a-z 0-9 _ . : -"
        raise ArgumentError(msg)
    return value


def check_key(what: str, value: object) -> str:
    """Return a key. Raises `ArgumentError` where it is not text that the store can hold, of 1 to 255 characters."""
    if not isinstance(value, str) or not KEY_PATTERN.fullmatch(value):
        msg = f"{what} {value!r:.300} must be text of 1 to {MOST_KEY_CHARACTERS} characters, no NUL or lone surrogate"
        raise ArgumentError(msg)
    return value


def _utf8_length(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def check_keys(jobs: Sequence[NewJob]) -> None:
    """Refuse jobs enqueued together that have one unique key. Raises `ArgumentError`."""
    keys = [job.unique_key for job in jobs if job.unique_key is not None]
    if len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        msg = f"unique_key {twice!r} is of one job at a time: enqueue each job with a key of its own"
        raise ArgumentError(msg)


def check_integer(what: str, value: object, least: int, most: int = INT32_MAX) -> int:
    """Return a whole number within [least, most]. Raises `ArgumentError` otherwise."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        msg = f"{what} {value!r} must be a whole number from {least} to {most}"
        raise ArgumentError(msg)
    return value


def check_seconds(what: str, value: object, *, positive: bool) -> None:
    """Refuse a number of seconds that is no number, or out of range. Raises `ArgumentError`."""
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int | float):
        msg = f"{what} {value!r} must be a number of seconds"
        raise ArgumentError(msg)
    if not (0 < value < INT32_MAX if positive else abs(value) < INT32_MAX):
        msg = f"{what} {value!r} must be {'more than 0' if positive else 'a number of'} seconds, under 2**31"
        raise ArgumentError(msg)


def check_time(what: str, value: datetime | None) -> None:
    """Refuse a time without an offset, or outside the years 2000 to 2199. Raises `ArgumentError`."""
    if value is None:
        return
    if not isinstance(value, datetime) or value.tzinfo is None:
        msg = f"{what} {value!r} must be a datetime with a time zone, such as datetime.now(UTC)"
        raise ArgumentError(msg)
    if not EARLIEST <= value < LATEST:
        msg = f"{what} {value.isoformat()} must lie in the years 2000 to 2199"
        raise ArgumentError(msg)
