"""All that the tables hold about jobs, in one look, and the same as a model has it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from chaos.model_values import Job

if TYPE_CHECKING:
    import psycopg

    from chaos.model import Model

Held = dict[str, set[tuple[Any, ...]]]

LOOK: Final = """
select 'ready', to_json(array[queue, rank::text, job_id::text, attempt::text, spent::text, suspect::text, alone::text])
from pgflow.ready
union all
select 'scheduled', to_json(array[queue, rank::text, job_id::text, attempt::text, spent::text, suspect::text, alone::text,
  (run_at <= now())::text])
from pgflow.scheduled
union all
select 'leases', to_json(array[l.id::text, worker_id, queue, suspect::text, alone::text,
  (expires_at < clock_timestamp())::text, string_agg(concat_ws(' ', u.j, u.a, u.s), ', ' order by u.j)])
from pgflow.leases as l, unnest(job_ids, attempts, spent) as u (j, a, s) group by l.id
union all
select 'attempts', to_json(array[job_id::text, attempt::text, outcome::text, error_code, coalesce(spent, 0)::text, worker_id])
from pgflow.attempts
union all
select 'letters', to_json(array[job_id::text, attempt::text, reason_code, replayed_as::text, (discarded_at is not null)::text])
from pgflow.dead_letters
union all
select 'wishes', to_json(array[job_id::text]) from pgflow.cancellations
union all
select 'keys', to_json(array[key, job_id::text]) from pgflow.unique_keys where scope = 'job'
union all
select 'jobs', to_json(array[id::text, queue, priority::text, max_attempts::text, unique_key, replay_of::text, root_id::text])
from pgflow.jobs
union all
select 'states', to_json(array[id::text, state, attempt::text, spent::text]) from pgflow.job_state
union all
select 'stats', to_json(array[queue, outcome::text, worker_id, sum(count)::text]) from pgflow.stats
group by queue, outcome, worker_id
union all
select 'charged', to_json(array[queue, sum(count)::text]) from pgflow.rates group by queue
union all
select 'paused', to_json(array[name]) from pgflow.queues where paused
"""
KINDS: Final = (
    "ready", "scheduled", "leases", "attempts", "letters", "wishes", "keys", "jobs", "states", "stats", "charged", "paused",
)  # fmt: skip


def look(db: psycopg.Connection[Any]) -> Held:
    """Read what the tables hold."""
    held: Held = {kind: set() for kind in KINDS}
    for kind, row in db.execute(LOOK, prepare=True):
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
        for kind in KINDS
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
