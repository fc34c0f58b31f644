"""The endpoints of schedules: GET /schedules, and one schedule looked at, stored, removed, paused, resumed and run."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from pgflow import ArgumentError
from pgflow.admin import Answer, Call, Endpoint, Problem
from pgflow.plugins.cron.rows import ScheduleRow
from pgflow.plugins.cron.schedules import ScheduleNotFoundError, Schedules, StaticScheduleError
from pgflow.plugins.cron.shown import masked
from pgflow.plugins.cron.spec import MISFIRE_GRACE_SECONDS, Schedule

CREATED: Final = 201


class Listing(BaseModel):
    """The parameters of the list."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(100, ge=1, le=500, description="the most schedules to list")
    cursor: str | None = Field(None, max_length=512, description="next_cursor of the page before")


class NewSchedule(BaseModel):
    """A dynamic schedule: what it makes a job of, and when, by `cron` or `seconds`."""

    model_config = ConfigDict(extra="forbid")
    task: str
    cron: str | None = Field(None, description="a cron expression of five fields, or six with seconds first")
    seconds: float | None = Field(None, description="a period, counted from when the schedule was stored")
    tz: str = Field("UTC", description="the time zone of the cron expression")
    queue: str | None = Field(None, description="the task's own where it is left out")
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    jitter: float = Field(0, description="each job is put off by up to so many seconds")
    misfire_grace: float = Field(MISFIRE_GRACE_SECONDS, description="a slot later than so many seconds is skipped")
    coalesce: bool = Field(True, description="of several late slots only the last is fired")


class Pause(BaseModel):
    """Why it is paused."""

    model_config = ConfigDict(extra="forbid")
    reason: str | None = Field(None, max_length=1_000)


class SchedulePage(BaseModel):
    """Schedules in the order of their names."""

    items: list[ScheduleRow]
    next_cursor: str | None


class Ran(BaseModel):
    """The job that was made."""

    job_id: str


def _explained(answer: Callable[[Schedules, Call], object]) -> Callable[[Call], object]:
    @wraps(answer)
    def explained(call: Call) -> object:
        try:
            return answer(Schedules(call.app), call)
        except ScheduleNotFoundError:
            raise Problem(404, "SCHEDULE_NOT_FOUND", f"there is no schedule {call.path['name']}") from None
        except StaticScheduleError as error:
            raise Problem(409, "SCHEDULE_IS_STATIC", str(error)) from None

    return explained


@_explained
def _list(schedules: Schedules, call: Call) -> SchedulePage:
    limit = call.query.limit
    found = [masked(call.app, row) for row in schedules.page(after=call.query.cursor, most=limit + 1)]
    return SchedulePage(items=found[:limit], next_cursor=found[limit - 1].name if len(found) > limit else None)


@_explained
def _get(schedules: Schedules, call: Call) -> ScheduleRow:
    return masked(call.app, schedules.get(call.path["name"]))


@_explained
def _put(schedules: Schedules, call: Call) -> Answer:
    asked: NewSchedule = call.body
    if (asked.cron is None) == (asked.seconds is None):
        raise Problem(422, "INVALID_VALUE", "give cron or seconds, one of them", pointer="/cron")
    schedule = Schedule(
        expression=asked.cron, seconds=asked.seconds, tz=asked.tz, jitter=asked.jitter,
        misfire_grace=asked.misfire_grace, coalesce=asked.coalesce, args=asked.args, kwargs=asked.kwargs,
    )  # fmt: skip
    try:
        row, is_new = schedules.put(call.path["name"], asked.task, schedule, queue=asked.queue)
    except ArgumentError as error:
        raise Problem(422, "INVALID_VALUE", str(error), pointer=_pointer(str(error))) from None
    call.note.update(task=row.task, cron=row.cron, seconds=row.seconds)
    return Answer(masked(call.app, row), status=CREATED if is_new else None)


@_explained
def _delete(schedules: Schedules, call: Call) -> dict[str, object]:
    schedules.remove(call.path["name"])
    return {"name": call.path["name"], "removed": True}


@_explained
def _pause(schedules: Schedules, call: Call) -> ScheduleRow:
    reason = call.body.reason if call.body is not None else None
    call.note["reason"] = reason
    return masked(call.app, schedules.pause(call.path["name"], reason))


@_explained
def _resume(schedules: Schedules, call: Call) -> ScheduleRow:
    return masked(call.app, schedules.resume(call.path["name"]))


@_explained
def _run(schedules: Schedules, call: Call) -> Ran:
    ran = Ran(job_id=schedules.run(call.path["name"]))
    call.note["job_id"] = ran.job_id
    return ran


def _pointer(complaint: str) -> str | None:
    # a complaint begins with the field, or a path into it; one of the arguments' number, with the task's name
    word = re.split(r"\W", complaint, maxsplit=1)[0]
    field = {"expression": "cron"}.get(word, word)
    if field == "name":
        return None
    return f"/{field if field in NewSchedule.model_fields else 'args'}"


ENDPOINTS: Final = (
    Endpoint(
        method="GET", path="/schedules", name="list_schedules", scope="read", answer=_list, query=Listing,
        summary="List schedules in the order of their names, each with its next five slots.",
        response=SchedulePage, tag="schedules",
    ),
    Endpoint(
        method="GET", path="/schedules/{name}", name="get_schedule", scope="read", answer=_get,
        summary="Show a schedule with its next five slots.", response=ScheduleRow, errors=(404,), tag="schedules",
    ),
    Endpoint(
        method="PUT", path="/schedules/{name}", name="put_schedule", scope="admin", answer=_put, body=NewSchedule,
        summary="Store a dynamic schedule, in the place of one of its name; 201 where it is new.",
        response=ScheduleRow, errors=(409, 422), changes=True, tag="schedules",
    ),
    Endpoint(
        method="DELETE", path="/schedules/{name}", name="delete_schedule", scope="admin", answer=_delete,
        summary="Remove a dynamic schedule; its jobs stay.", errors=(404, 409), changes=True, tag="schedules",
        response=dict[str, Any],
    ),
    Endpoint(
        method="POST", path="/schedules/{name}/pause", name="pause_schedule", scope="operate", answer=_pause,
        summary="Stop a schedule from firing.", body=Pause, body_required=False, response=ScheduleRow,
        errors=(404,), changes=True, tag="schedules",
    ),
    Endpoint(
        method="POST", path="/schedules/{name}/resume", name="resume_schedule", scope="operate", answer=_resume,
        summary="Let a schedule fire again, from its next slot on.", response=ScheduleRow, errors=(404,),
        changes=True, tag="schedules",
    ),
    Endpoint(
        method="POST", path="/schedules/{name}/run", name="run_schedule", scope="operate", answer=_run,
        summary="Make a schedule's job now; its slots to come stay as they are.", response=Ran, status=CREATED,
        errors=(404, 422, 429), changes=True, tag="schedules",
    ),
)  # fmt: skip
