"""POST /jobs: stores a job, of a task that is known here or elsewhere, once for each Idempotency-Key."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, StringConstraints

from pgflow import KeyConflictError, NewJob
from pgflow.admin import Answer, Bucket, Endpoint, Problem, buckets, id_time
from pgflow.plugins.admin.api.fields import Attempts, Dataset, Given, Moment, Name, Priority
from pgflow.plugins.admin.api.payload import check_call, to_text

if TYPE_CHECKING:
    from pgflow.admin import Call

KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

UniqueKey = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^\x00]*$")]


class JobBody(Given):
    """A job to store. What is left out is as its task is declared, where that is known here."""

    job_type: Name = Field(description="the task's name")
    queue: Name | None = Field(None, description="the task's queue where left out, else default")
    payload_json: dict[str, Any] | list[Any] = Field(
        default_factory=dict, description="an object of keyword arguments, or an array of positional ones"
    )
    run_at: Moment | None = Field(None, description="when it may run; at once where left out or past")
    priority: Priority | None = Field(None, description="higher runs earlier; 0 where left out and not declared")
    max_attempts: Attempts | None = Field(None, description="failures until it is dead; else as declared, or 25")
    headers: dict[str, Any] | None = Field(None, description="kept with the job; tags stand in the header `tags`")
    expires_at: Moment | None = Field(None, description="it is not started later than this")
    unique_key: UniqueKey | None = Field(None, description="while a job of this key has not ended, it is that job")
    dataset: Dataset | None = Field(None, description="to be sure of it: the bucket follows from the time")


@dataclass(frozen=True, slots=True)
class Enqueued:
    """A job that is stored."""

    job_id: str


def enqueue(call: Call) -> Answer:
    """Store a job: 201, or 200 with the job that has its unique key already."""
    asked: JobBody = call.body
    job = _new_job(call.app, asked)
    _check_dataset(call.app, asked.dataset, job)
    call.note.update(queue=job.queue, job_type=job.task)
    key = call.headers.get("idempotency-key")
    if key is None:
        job_id = call.app.door.put([job])[0]
        # an id whose time was off comes back with another time, and is the same from there on
        answer = Answer(Enqueued(job_id), 201 if job_id[13:] == job.id[13:] else 200)
    else:
        job_id, fresh = _put_once(call, job, key, asked)
        answer = Answer(Enqueued(job_id), 201, {} if fresh else {"idempotent-replayed": "true"})
    call.note["job_id"] = job_id
    return answer


def _new_job(app: Any, asked: JobBody) -> NewJob:
    task = app.tasks.get(asked.job_type)
    declared: dict[str, Any] = {}
    if task is not None:
        names = ("queue", "priority", "max_attempts", "timeout", "keep_result")
        declared = {name: getattr(task.declared, name) for name in names}
    given = asked.model_dump(include={"queue", "priority", "max_attempts"}, exclude_none=True)
    args, kwargs = _texts(asked.payload_json)
    if task is not None:
        check_call(task, args, kwargs, "/payload_json")
    return NewJob(
        id=app.door.ids.make(),
        task=asked.job_type,
        args=args,
        kwargs=kwargs,
        run_at=asked.run_at,
        expires_at=asked.expires_at,
        headers=asked.headers,
        unique_key=asked.unique_key,
        **{"queue": "default", **declared, **given},
    )


def _texts(payload: dict[str, Any] | list[Any]) -> tuple[str | None, str | None]:
    return (None, to_text(payload)) if isinstance(payload, dict) else (to_text(payload), None)


def _check_dataset(app: Any, dataset: str | None, job: NewJob) -> None:
    if dataset is None:
        return
    at = id_time(job.id)
    found: list[Bucket] = app.reads.run(buckets.listing())
    falls = next((b.name for b in found if b.starts_at and b.ends_at and b.starts_at <= at < b.ends_at), "default")
    if dataset != falls:
        detail = f"the job would be stored in {falls}, not in {dataset}: leave dataset out, or name that"
        raise Problem(422, "OTHER_DATASET", detail, pointer="/dataset", dataset=falls)


def _put_once(call: Call, job: NewJob, key: str, asked: JobBody) -> tuple[str, bool]:
    if not KEY.fullmatch(key):
        detail = "Idempotency-Key must be 1 to 255 visible ASCII characters, such as a UUID"
        raise Problem(422, "BAD_IDEMPOTENCY_KEY", detail)
    said = json.dumps(asked.model_dump(mode="json", exclude_unset=True), sort_keys=True)
    try:
        stored: tuple[str, bool] = call.app.door.put_once(job, key, hashlib.sha256(said.encode()).hexdigest())
    except KeyConflictError as error:
        raise Problem(422, "IDEMPOTENCY_MISMATCH", str(error)) from None
    return stored


ENDPOINTS = (
    Endpoint(
        method="POST", path="/jobs", name="enqueue_job", summary="Store a job", scope="enqueue", answer=enqueue,
        body=JobBody, response=Enqueued, status=201, errors=(400, 413, 415, 422, 429), changes=True,
    ),
)  # fmt: skip
