"""All that the tables hold about jobs, in one look, and the same as a model has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaos.model_values import Job

if TYPE_CHECKING:
    import psycopg

    from chaos.model import Model

Held = dict[str, set[tuple[Any, ...]]]

LOOK: Final[dict[str, str]] = {
    "ready": "queue, rank, job_id, attempt, spent, suspect, alone from pgflow.ready",
    "scheduled": "queue, rank, job_id, attempt, spent, suspect, alone, run_at <= now() from pgflow.scheduled",
    "leases": "l.id, worker_id, queue, suspect, alone, expires_at < clock_timestamp(),"
    " string_agg(concat_ws(' ', u.j, u.a, u.s), ', ' order by u.j)"
    " from pgflow.leases as l, unnest(job_ids, attempts, spent) as u (j, a, s) group by l.id",
    "attempts": "job_id, attempt, outcome, error_code, coalesce(spent, 0), worker_id from pgflow.attempts",
    "letters": "job_id, attempt, reason_code, replayed_as, discarded_at is not null from pgflow.dead_letters",
    "wishes": "job_id from pgflow.cancellations",
    "keys": "key, job_id from pgflow.unique_keys where scope = 'job'",
    "jobs": "id, queue, priority, max_attempts, unique_key, replay_of, root_id from pgflow.jobs",
    "states": "id, state, attempt, spent from pgflow.job_state",
    "stats": "queue, outcome, worker_id, sum(count) from pgflow.stats group by queue, outcome, worker_id",
    "charged": "queue, sum(count) from pgflow.rates group by queue",
    "paused": "name from pgflow.queues where paused",
}
"""What is looked at, as a select of columns."""
ALL: Final = " union all ".join(
    f"select '{kind}', (select array_agg(value) from json_each_text(row_to_json(r))) from (select {columns}) as r"
    for kind, columns in LOOK.items()
)


def look(db: psycopg.Connection[Any]) -> Held:
    """Read what the tables hold."""
    held: Held = {kind: set() for kind in LOOK}
    for kind, row in db.execute(ALL, prepare=True):
        assert tuple(row) not in held[kind], f"{kind} has this twice: {row}"
        held[kind].add(tuple(row))
    return held


def foretold(model: Model) -> Held:
    """Say what they should hold."""
    jobs = model.jobs.values()
    held: Held = {
        "ready": {_entry(job) for job in jobs if job.place == "ready"},
        "scheduled": {(*_entry(job), job.due) for job in jobs if job.place == "scheduled"},
        "leases": {
            (name, lease.worker, lease.queue, lease.suspect, lease.alone, lease.lapsed,
             ", ".join(f"{job_id} {attempt} {spent}" for job_id, attempt, spent in sorted(lease.members)))
            for name, lease in model.leases.items()
        },
        "attempts": {
            (job.id, number, run.outcome, run.code, run.spent, run.worker)
            for job in jobs for number, run in enumerate(job.runs, 1)
        },
        "letters": {
            (job_id, letter.attempt, letter.reason, letter.replayed_as, letter.discarded)
            for job_id, letter in model.letters.items()
        },
        "wishes": {(job_id,) for job_id in model.wishes},
        "keys": set(model.keys.items()),
        "jobs": {(j.id, j.queue, j.priority, j.max_attempts, j.key, j.origin, j.root) for j in jobs},
        "states": {(job.id, job.state, job.attempt, job.spent) for job in jobs},
        "stats": {(*names, count) for names, count in model.counts.items()},
        "charged": {(queue, count) for queue, count in model.charged.items() if count},
        "paused": {(queue,) for queue in model.paused},
    }  # fmt: skip
    return {kind: {tuple(map(_text, row)) for row in rows} for kind, rows in held.items()}


def differences(found: Held, wanted: Held) -> list[str]:
    """Tell where the tables are not as foretold."""
    return [
        line
        for kind in LOOK
        for line in (
            *(f"{kind} lacks {row}" for row in sorted(wanted[kind] - found[kind], key=str)),
            *(f"{kind} should not have {row}" for row in sorted(found[kind] - wanted[kind], key=str)),
        )
    ]


def _entry(job: Job) -> tuple[Any, ...]:
    return job.queue, -job.priority, job.id, job.attempt, job.spent, job.suspect, job.alone


def _text(value: object) -> str | None:
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)
