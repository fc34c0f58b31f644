"""POST /jobs/bulk: one action on many jobs, named by ids or found by a filter whose count was seen first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field, Strict, StringConstraints

from pgflow import JobNotFoundError, State
from pgflow.admin import Endpoint, Problem, act, look, parse_id
from pgflow.plugins.admin.api.fields import Given, JobsWanted, OlderState, state_of, status_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.admin import Call, Change, Run

MOST_JOBS: Final = 1_000
AT_ONCE: Final = 500

Action = Literal["cancel", "retry", "replay", "discard"]
JobId = Annotated[str, StringConstraints(min_length=1, max_length=64)]

# what an action can be done to, and what a filter without a state means where that is less
FITTING: Final[dict[str, tuple[State, ...]]] = {
    "cancel": (State.QUEUED, State.SCHEDULED, State.RETRYING, State.RUNNING),
    "retry": (State.DEAD, State.RETRYING, State.SCHEDULED),
    "replay": (State.DEAD,),
    "discard": (State.DEAD,),
}
MEANT: Final[dict[str, tuple[State, ...]]] = {"retry": (State.DEAD, State.RETRYING)}


class BulkFilter(JobsWanted):
    """Which jobs; what is left out lets everything pass that the action can be done to."""

    state: State | None = Field(None, description="only in this state")
    status: OlderState | None = Field(None, description="the same in the older words")


class BulkBody(Given):
    """One action on the jobs of `ids`, or on those that pass `filter`: first `dry_run`, then `confirm` its count."""

    action: Action
    ids: list[JobId] | None = Field(None, min_length=1, max_length=MOST_JOBS)
    filter: BulkFilter | None = Field(None, description="the newest 1,000 that pass it")
    dry_run: Annotated[bool, Strict()] = Field(False, description="only count")
    confirm: Annotated[int, Strict(), Field(ge=0, le=MOST_JOBS)] | None = Field(
        None, description="with filter: the count that dry_run told; more than that are refused"
    )


@dataclass(frozen=True, slots=True)
class BulkItem:
    """What became of one job. `result` is cancelled, asked, retried, replayed or discarded, else refused or missing.

    `state` is where it was found, `status` the same in the older words.
    """

    job_id: str
    result: str
    state: str | None
    status: str | None
    new_job_id: str | None = None


@dataclass(frozen=True, slots=True)
class BulkAnswer:
    """What became of each. `more` is true where the filter found more than were looked at: ask again for those."""

    action: str
    dry_run: bool
    matched: int
    changed: int
    more: bool
    items: list[BulkItem]


def bulk(call: Call) -> BulkAnswer:
    """Do one action to many jobs; an answer for each."""
    asked: BulkBody = call.body
    ids, more = _chosen(call, asked)
    items = [] if asked.dry_run else _done(call, asked.action, ids)
    changed = [item.job_id for item in items if item.result not in ("refused", "missing")]
    call.note.update(action=asked.action, matched=len(ids), changed=changed, dry_run=asked.dry_run)
    if asked.filter is not None:
        call.note["filter"] = asked.filter.model_dump(mode="json", exclude_defaults=True)
    return BulkAnswer(asked.action, asked.dry_run, len(ids), len(changed), more, items)


def _chosen(call: Call, asked: BulkBody) -> tuple[list[str], bool]:
    if (asked.ids is None) == (asked.filter is None):
        raise Problem(422, "NO_SELECTOR", "say which jobs: give ids or filter, one of them", pointer="/ids")
    if asked.ids is not None:
        if asked.confirm is not None:
            raise Problem(422, "NOT_WITH_IDS", "confirm goes with a filter: leave it out", pointer="/confirm")
        return _parsed(asked.ids), False
    if asked.dry_run == (asked.confirm is not None):
        detail = "a filter takes two steps: first dry_run, which counts, then confirm with that count"
        raise Problem(422, "CONFIRM_FIRST", detail, pointer="/confirm")
    ids, more = _found(call, asked.action, asked.filter or BulkFilter.model_validate({}))
    if asked.confirm is not None and len(ids) > asked.confirm:
        detail = f"{len(ids)} jobs match now, more than the {asked.confirm} confirmed: count again, and confirm that"
        raise Problem(409, "MORE_THAN_CONFIRMED", detail, matched=len(ids))
    return ids, more


def _parsed(ids: list[str]) -> list[str]:
    known = []
    for place, text in enumerate(ids):
        try:
            known.append(parse_id(text))
        except JobNotFoundError as error:
            raise Problem(422, "NOT_AN_ID", str(error), pointer=f"/ids/{place}") from None
    return list(dict.fromkeys(known))


def _found(call: Call, action: str, wanted: BulkFilter) -> tuple[list[str], bool]:
    state = state_of(wanted.state, wanted.status)
    fitting = FITTING[action]
    if state is not None and state not in fitting:
        detail = f"{action} cannot be done to what is {state}, only to what is {', '.join(fitting)}"
        raise Problem(422, "STATE_DOES_NOT_FIT", detail, pointer="/filter/state")
    states = (state,) if state is not None else MEANT.get(action, fitting)
    ids: list[str] = []
    more = False
    for one in states:
        page = call.app.reads.together(
            lambda run, one=one: look.listing(run, wanted.filter(state=one, limit=MOST_JOBS))
        )
        ids += [row.id for row in page.items]
        more |= page.next is not None
    # a job that moved between two looks is found twice
    newest = sorted(dict.fromkeys(ids), reverse=True)
    return newest[:MOST_JOBS], more or len(newest) > MOST_JOBS


def _done(call: Call, action: str, ids: list[str]) -> list[BulkItem]:
    if action == "replay":
        return list(_replayed(call, ids))
    by = call.actor.name
    acts: dict[str, Callable[[Run, list[str]], list[Change]]] = {
        "cancel": lambda run, some: act.cancel_many(run, some, by=by),
        "retry": act.retry_many,
        "discard": act.discard_many,
    }
    changes: list[Change] = []
    for some in _chunks(ids):
        changes += call.app.db.together(lambda run, some=some: acts[action](run, some))
    return [_item(change.job_id, change.result, change.state) for change in changes]


def _replayed(call: Call, ids: list[str]) -> Iterator[BulkItem]:
    pairs: dict[str, str] = {}
    for some in _chunks(ids):
        pairs |= call.app.door.replay_dead(some)
    rows = {row.id: row for some in _chunks(ids) for row in call.app.db.run(look.describe(some))}
    for job_id in ids:
        state = rows[job_id].state if job_id in rows else None
        refusal = "missing" if state is None else "refused"
        yield _item(job_id, "replayed" if job_id in pairs else refusal, state, pairs.get(job_id))


def _chunks(ids: list[str]) -> Iterator[list[str]]:
    for first in range(0, len(ids), AT_ONCE):
        yield ids[first : first + AT_ONCE]


def _item(job_id: str, result: str, state: State | None, new_job_id: str | None = None) -> BulkItem:
    return BulkItem(job_id, result, state and state.value, state and status_of(state), new_job_id)


ENDPOINTS: tuple[Any, ...] = (
    Endpoint(
        method="POST", path="/jobs/bulk", name="bulk_jobs", summary="Do one action to many jobs", scope="operate",
        answer=bulk, body=BulkBody, response=BulkAnswer, errors=(409, 413, 422, 429), changes=True,
    ),
)  # fmt: skip
