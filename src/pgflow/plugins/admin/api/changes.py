"""POST /jobs/{id}/cancel, /retry and /replay: changes of one job."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pgflow.admin import Change, Endpoint, act
from pgflow.plugins.admin.api.fields import Given, Moment, Name, Nothing, status_of
from pgflow.plugins.admin.api.payload import changed_call

if TYPE_CHECKING:
    from pgflow.admin import Call


class ReplayBody(Given):
    """How a replay differs from the job it repeats.

    In `args` and `kwargs` what stands as it is shown, `***` for a secret, stays as it was.
    """

    queue: Name | None = Field(None, description="another queue than the job's own")
    run_at: Moment | None = Field(None, description="when it may run; at once where left out")
    args: list[Any] | None = Field(None, description="other positional arguments than the job's own")
    kwargs: dict[str, Any] | None = Field(None, description="other keyword arguments than the job's own")


@dataclass(frozen=True, slots=True)
class Changed:
    """What became of a job. `result` is cancelled, asked (its worker is to end it) or retried.

    `state` is where it was found, `status` the same in the older words.
    """

    job_id: str
    result: str
    state: str | None
    status: str | None


@dataclass(frozen=True, slots=True)
class Replayed:
    """A new job like an older one."""

    new_job_id: str
    replay_of_job_id: str


def cancel(call: Call) -> Changed:
    """Cancel a job that has not ended."""
    by = call.actor.name
    return _noted(call, call.app.db.together(lambda run: act.cancel(run, call.path["job_id"], by=by)))


def retry(call: Call) -> Changed:
    """Run a job now: a dead one once more, a scheduled or retrying one at once."""
    return _noted(call, call.app.db.together(lambda run: act.retry(run, call.path["job_id"])))


def replay(call: Call) -> Replayed:
    """Make a new job like one that has ended."""
    asked: ReplayBody = call.body
    source = call.app.db.run(act.source(call.path["job_id"]))
    if asked.args is None and asked.kwargs is None:
        new_id = call.app.replay(source.job_id, queue=asked.queue, run_at=asked.run_at).id
    else:
        job = source.new_job(call.app.door.ids.make(), queue=asked.queue, run_at=asked.run_at)
        args, kwargs = changed_call(call.app, source, asked.args, asked.kwargs)
        new_id = call.app.door.replay(job.with_call(job.id, args, kwargs))
        call.note["other_arguments"] = True
    call.note["new_job_id"] = new_id
    return Replayed(new_id, source.job_id)


def changed(change: Change) -> Changed:
    """Show what became of a job."""
    state = change.state
    return Changed(change.job_id, change.result, state and state.value, state and status_of(state))


def _noted(call: Call, change: Change) -> Changed:
    call.note["result"] = change.result
    return changed(change)


def _changing(verb: str, summary: str, answer: Any, **more: Any) -> Endpoint:
    return Endpoint(
        method="POST", path=f"/jobs/{{job_id}}/{verb}", name=f"{verb}_job", summary=summary, scope="operate",
        answer=answer, body_required=False, changes=True, **more,
    )  # fmt: skip


ENDPOINTS = (
    _changing("cancel", "Cancel a job that has not ended", cancel, body=Nothing, response=Changed, errors=(404, 409)),
    _changing("retry", "Run a job now", retry, body=Nothing, response=Changed, errors=(404, 409)),
    _changing(
        "replay", "Make a new job like one that has ended", replay, body=ReplayBody, response=Replayed, status=201,
        errors=(404, 409, 413, 422, 429),
    ),
)  # fmt: skip
