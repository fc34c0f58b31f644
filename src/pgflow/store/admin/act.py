"""Changes what becomes of jobs and queues: cancel, retry, replay, discard, pause, resume, limit, reset, decide."""

from __future__ import annotations

import json
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pgflow.errors import JobStateError
from pgflow.ids import parse_id
from pgflow.model import State, check_integer, check_name
from pgflow.store.admin.look import only
from pgflow.store.jobs import enqueue
from pgflow.store.statement import Statement, first_column, literal, load, nothing
from pgflow.views import Change, QueueLimits, Source

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pgflow.model import NewJob
    from pgflow.store.admin import Run
    from pgflow.store.statement import Query

STATES: Final = load("admin/states", looks_twice=True)
ASK_CANCEL: Final = load("admin/ask_cancel")
CANCEL_WAITING: Final = load("admin/cancel_waiting")
FORGET_CANCEL: Final = load("admin/forget_cancel")
RETRY_DEAD: Final = load("admin/retry_dead")
RETRY_SCHEDULED: Final = load("admin/retry_scheduled")
SOURCE: Final = load("admin/source", looks_twice=True)
MARK_REPLAYED: Final = load("admin/mark_replayed")
DISCARD: Final = load("admin/discard")
PAUSE: Final = load("admin/pause")
RESUME: Final = load("admin/resume")
SET_LIMITS: Final = load("limited/set_limits")
RESET: Final = load("admin/reset", {"lock_timeout": "5s"})
DECIDE: Final = load("admin/decide", repeatable=False)

REFUSALS: Final = {
    "cancel": "only what has not ended can be cancelled",
    "retry": "only what is dead, scheduled or retrying can be run now, a dead job only while no other holds its unique "
    "key; replay makes a new job of one that has ended",
    "replay": "only what has ended can be replayed; retry or cancel it instead",
    "discard": "only an open dead letter can be discarded",
}


class Keep(Enum):
    """Left as it is: what is said where None would clear it."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


def cancel(run: Run, job_id: object, *, by: str | None = None) -> Change:
    """Cancel one job: at once where it waits (`cancelled`), by its worker where it runs (`asked`).

    Raises `JobNotFoundError`, or `JobStateError` where it has ended.
    """
    return _one("cancel", cancel_many(run, [job_id], by=by))


def cancel_many(run: Run, job_ids: Iterable[object], *, by: str | None = None) -> list[Change]:
    """Cancel jobs; gives what became of each, in the order given."""
    found = _states(run, job_ids)
    going = [job_id for job_id, state in found.items() if state is not None and not state.is_final]
    run(_on(ASK_CANCEL, going, by=by))
    done = run(_on(CANCEL_WAITING, going))
    late = run(_on(FORGET_CANCEL, sorted(set(going).difference(done))))
    results = {job_id: "cancelled" if job_id in done else "asked" for job_id in going if job_id not in late}
    return _changes(run, found, results)


def retry(run: Run, job_id: object) -> Change:
    """Run a job now: one more try for a dead one, at once for a scheduled or retrying one.

    Raises `JobNotFoundError`, or `JobStateError` in any other state.
    """
    return _one("retry", retry_many(run, [job_id]))


def retry_many(run: Run, job_ids: Iterable[object]) -> list[Change]:
    """Run jobs now; gives what became of each, in the order given."""
    found = _states(run, job_ids)
    dead = [job_id for job_id, state in found.items() if state is State.DEAD]
    waiting = [job_id for job_id, state in found.items() if state in (State.SCHEDULED, State.RETRYING)]
    done = run(_on(RETRY_DEAD, dead))
    hastened = run(_on(RETRY_SCHEDULED, waiting))
    return _changes(run, found, dict.fromkeys(done + hastened, "retried"))


def source(job_id: object) -> Statement[Source]:
    """Read what a replay takes over. Raises `JobNotFoundError`, or `JobStateError` where the job goes on."""
    known = parse_id(job_id)
    return Statement(SOURCE, {"ids": literal([known])}, lambda rows: _replayable(Source._make(only(rows, known))))


def sources(job_ids: Iterable[object]) -> Statement[list[Source]]:
    """Read what replays take over, oldest first; those that are missing or go on are left out."""
    known = literal([parse_id(job_id) for job_id in job_ids])
    return Statement(SOURCE, {"ids": known}, lambda rows: [s for s in map(Source._make, rows) if _has_ended(s)])


def replay(run: Run, new_job: NewJob) -> str:
    """Store the replay of a job, mark its dead letter if it has one, and give the new job's id."""
    ids = run(enqueue([new_job]))
    run(_mark([new_job], ids, once=False))
    return ids[0]


def replay_many(run: Run, new_jobs: Sequence[NewJob]) -> dict[str, str]:
    """Store the replays of dead letters that nobody has replayed or discarded; gives new ids by old ones."""
    won = run(_mark(new_jobs, [job.id for job in new_jobs], once=True))
    # a dead letter named twice is replayed once: the later of the two
    stored = [job for job in {job.replay_of: job for job in new_jobs}.values() if job.replay_of in won]
    ids = run(enqueue(stored)) if stored else []
    run(_mark(stored, ids, once=False))
    return {str(job.replay_of): new_id for job, new_id in zip(stored, ids, strict=True)}


def discard(run: Run, job_id: object) -> Change:
    """Close a job's dead letter. Raises `JobNotFoundError`, or `JobStateError` where there is none open."""
    return _one("discard", discard_many(run, [job_id]))


def discard_many(run: Run, job_ids: Iterable[object]) -> list[Change]:
    """Close dead letters; gives what became of each, in the order given."""
    found = _states(run, job_ids)
    done = run(_on(DISCARD, list(found)))
    return _changes(run, found, dict.fromkeys(done, "discarded"))


def pause(queue: str, reason: str | None = None) -> Statement[None]:
    """Stop a queue from being claimed; what runs goes on. Pausing again changes the reason only."""
    return Statement(PAUSE, {"queue": check_name("queue", queue), "reason": reason}, nothing)


def resume(queue: str) -> Statement[bool]:
    """Let a queue be claimed again; False where it was not paused."""
    return Statement(RESUME, {"queue": check_name("queue", queue)}, bool)


def set_limits(
    queue: str,
    *,
    max_in_flight: int | Keep | None = KEEP,
    max_attempts_per_minute: int | Keep | None = KEEP,
    throttle_delay_ms: int | Keep | None = KEEP,
) -> Statement[QueueLimits]:
    """Set a queue's limits, each a number, None to clear it, or left as it is; gives what then stands.

    Workers heed a change within a second, and once a rest under way is over. Raises `ArgumentError`.
    """
    given = {
        "max_in_flight": _checked("max_in_flight", max_in_flight, 1),
        "max_attempts_per_minute": _checked("max_attempts_per_minute", max_attempts_per_minute, 1),
        "throttle_delay_ms": _checked("throttle_delay_ms", throttle_delay_ms, 0),
    }
    kept = [name for name, value in given.items() if value is KEEP]
    params = {name: None if value is KEEP else value for name, value in given.items()}
    asked = {"queue": check_name("queue", queue), "kept": kept, **params}
    return Statement(SET_LIMITS, asked, lambda rows: QueueLimits(*rows[0]))


def reset() -> Statement[None]:
    """Forget every job, decision, count and queue setting. Waits 5 s at most for those who use the tables."""
    return Statement(RESET, {}, nothing)


def decide(
    kind: str,
    queue: str,
    decision: str,
    reason_code: str,
    *,
    task: str | None = None,
    job_id: str | None = None,
    details: Mapping[str, object] | None = None,
) -> Statement[int]:
    """Keep what a guardrail (`ingest`) or a policy (`policy`) decided; gives the decision's number."""
    params: dict[str, Any] = {
        "kind": kind, "queue": queue, "task": task, "job_id": job_id, "decision": decision,
        "reason_code": reason_code, "details": None if details is None else json.dumps(details),
    }  # fmt: skip
    return Statement(DECIDE, params, lambda rows: int(rows[0][0]))


def _checked(name: str, value: int | Keep | None, least: int) -> int | Keep | None:
    return value if value is None or isinstance(value, Keep) else check_integer(name, value, least)


def _states(run: Run, job_ids: Iterable[object]) -> dict[str, State | None]:
    asked = dict.fromkeys([parse_id(job_id) for job_id in job_ids])
    found: dict[str, str | None] = run(Statement(STATES, {"ids": literal(list(asked))}, dict))
    return {job_id: State(state) if (state := found.get(job_id)) else None for job_id in asked}


def _changes(run: Run, found: dict[str, State | None], results: dict[str, str]) -> list[Change]:
    # what moved between look and act is looked at again, so that a refusal names the state it was refused in
    moved = [job_id for job_id, state in found.items() if state is not None and job_id not in results]
    now = found | (_states(run, moved) if moved else {})
    return [
        Change(job_id, results.get(job_id) or ("missing" if state is None else "refused"), state)
        for job_id, state in now.items()
    ]


def _one(wish: str, changes: list[Change]) -> Change:
    change = changes[0]
    only([change] if change.result != "missing" else [], change.job_id)
    if not change.done:
        raise JobStateError(change.job_id, str(change.state), REFUSALS[wish])
    return change


def _on(query: Query, job_ids: Sequence[str], **params: str | None) -> Statement[list[str]]:
    return Statement(query, {"ids": literal(job_ids), **params}, first_column)


def _mark(new_jobs: Sequence[NewJob], new_ids: Sequence[str], *, once: bool) -> Statement[list[str]]:
    old = literal([str(job.replay_of) for job in new_jobs])
    return Statement(MARK_REPLAYED, {"ids": old, "new_ids": literal(new_ids), "once": once}, first_column)


def _has_ended(found: Source) -> bool:
    return found.state is not None and State(found.state).is_final


def _replayable(found: Source) -> Source:
    if not _has_ended(found):
        raise JobStateError(found.job_id, found.state or "in no table", REFUSALS["replay"])
    return found
