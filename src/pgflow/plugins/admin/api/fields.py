"""The kinds of values that requests are made of, each with its bounds, and the models that filter jobs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, StringConstraints

from pgflow import State
from pgflow.admin import JobFilter, Problem

EARLIEST: Final = datetime(2000, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
INT32_MAX: Final = 2**31 - 1
OLDER_WORDS: Final[dict[str, str]] = {"dead": "dlq", "cancelled": "canceled"}
TODAYS_WORDS: Final[dict[str, State]] = {
    **{state.value: state for state in State},
    **{OLDER_WORDS[state]: State(state) for state in OLDER_WORDS},
}
TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d([.,]\d+)?)?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
Text = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]
Code = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00]*$")]
Dataset = Annotated[str, StringConstraints(pattern=r"^([0-9]{8}(_[0-9]{2})?|default)$")]
Fingerprint = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
CursorText = Annotated[str, StringConstraints(min_length=1, max_length=2_000)]
Limit = Annotated[int, Field(ge=1, le=500)]
Priority = Annotated[int, Strict(), Field(ge=-INT32_MAX, le=INT32_MAX)]
Attempts = Annotated[int, Strict(), Field(ge=1, le=INT32_MAX)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
Arguments = Annotated[
    dict[Path, Annotated[str, StringConstraints(max_length=1_000, pattern=r"^[^\x00]*$")]], Field(max_length=10)
]
OlderState = Literal[
    "queued", "scheduled", "running", "retrying", "succeeded", "dead", "dlq", "cancelled", "canceled", "expired"
]


def moment(value: Any) -> datetime:
    """Read a time in ISO 8601 with an offset, in the years 2000 to 2199. Raises `ValueError`."""
    if not isinstance(value, str) or not TIME.fullmatch(value):
        msg = "must be a time with an offset, such as 2026-11-24T18:00:00Z (in an address, %2B stands for +)"
        raise ValueError(msg)
    found = datetime.fromisoformat(value.upper())
    if not EARLIEST <= found < LATEST:
        msg = "must lie in the years 2000 to 2199"
        raise ValueError(msg)
    return found


Moment = Annotated[datetime, BeforeValidator(moment)]


class Given(BaseModel):
    """The base of what requests bring: what it does not name is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Nothing(Given):
    """An empty body, which may be left out."""


class JobsWanted(Given):
    """Which jobs; what is left out lets everything pass."""

    queue: Name | None = Field(None, description="only of this queue")
    job_type: Name | None = Field(None, description="only of this task")
    worker: Name | None = Field(None, description="only those that this worker has, or had last")
    error_code: Code | None = Field(None, description="only with this last error code")
    tag: Text | None = Field(None, description="only with this among the header `tags`, or as the header `tag`")
    dataset: Dataset | None = Field(None, description="only in this bucket, such as 20261124 or 20261124_20")
    created_after: Moment | None = Field(None, description="only created at this time or later")
    created_before: Moment | None = Field(None, description="only created before this time")
    q: Text | None = Field(None, description="only where the last error's text holds this, in any case")
    arguments: Arguments = Field(
        default_factory=dict, description="paths into the arguments, such as order.id or 0.id, and their text"
    )

    def filter(self, **more: Any) -> JobFilter:
        """Give the filter of the store's."""
        return JobFilter(
            queue=self.queue,
            task=self.job_type,
            worker=self.worker,
            error_code=self.error_code,
            tag=self.tag,
            dataset=self.dataset,
            created_after=self.created_after,
            created_before=self.created_before,
            text=self.q,
            arguments=self.arguments,
            **more,
        )


class JobsAsked(JobsWanted):
    """Parameters of a list of jobs; `arg.order.id=17` stands for a path into the arguments."""

    free_prefix: ClassVar[str] = "arg."

    limit: Limit = Field(100, description="the most to give, 1 to 500")
    cursor: CursorText | None = Field(None, description="next_cursor of the page before, with the same filters")

    def filters(self) -> dict[str, Any]:
        """What a cursor is bound to."""
        return self.model_dump(exclude={"limit", "cursor"}, exclude_defaults=True, mode="json")


def state_of(state: State | None, status: str | None) -> State | None:
    """Give the state asked for, in either's words. Raises `Problem`, 422, where they disagree."""
    said = TODAYS_WORDS[status] if status is not None else None
    if state is not None and said is not None and state is not said:
        detail = f"state {state} and status {status} disagree: give one of them"
        raise Problem(422, "STATES_DISAGREE", detail, pointer="?status")
    return state or said


def status_of(state: str) -> str:
    """Say a state, or how an attempt ended, in the older words: dlq for dead, canceled for cancelled."""
    return OLDER_WORDS.get(state, str(state))
