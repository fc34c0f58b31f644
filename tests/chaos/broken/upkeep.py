"""Rules of upkeep and of operators: heartbeats, cancelling, retries and replays, and buckets."""

from __future__ import annotations

from typing import Final

from chaos.broken.kinds import ACTS, BUCKETS, LOCKS, ROUND, RULES, SQL, STORE, WORKER, Edit, Mutant

DETACH: Final = """\
  execute format('alter table pgflow.jobs detach partition pgflow.%I', 'jobs_' || name);
  execute format('alter table pgflow.attempts detach partition pgflow.%I', 'attempts_' || name);
  kept := pgflow.put_back(name);
"""
LOOK_FIRST: Final = """\
  create temp table needed on commit drop as
    select job_id from pgflow.ready union select job_id from pgflow.scheduled
    union select unnest(job_ids) from pgflow.leases
    union select job_id from pgflow.dead_letters where replayed_as is null and discarded_at is null;
  execute format('alter table pgflow.jobs detach partition pgflow.%I', 'jobs_' || name);
  execute format('alter table pgflow.attempts detach partition pgflow.%I', 'attempts_' || name);
  execute format('insert into pgflow.jobs select * from pgflow.%I where id in (select job_id from needed)',
    'jobs_' || name);
  get diagnostics kept = row_count;
"""

UPKEEP: Final = (
    Mutant(
        "heartbeat-extends-others",
        "a worker holds on to a lease that is another's",
        (Edit(SQL + "extend_leases.sql", " and worker_id = %(worker)s", ""),),
        (LOCKS + "test_a_heartbeat_extends_no_lease_of_another_worker",),
    ),
    Mutant(
        "heartbeat-extends-nothing",
        "a lease lapses under its worker, and a run longer than it is run twice",
        (Edit(SQL + "extend_leases.sql", "clock_timestamp() + %(seconds)s", "l.expires_at + 0 * %(seconds)s"),),
        (RULES + "test_the_heartbeat_says_which_leases_stand_and_whom_to_cancel",),
    ),
    Mutant(
        "heartbeat-deaf-to-loss",
        "a worker runs on under a lease that was taken away",
        (Edit(WORKER + "heart.py", "if lease not in standing and", "if lease is None and"),),
        (ROUND + "test_a_worker_stops_what_runs_under_a_lease_that_is_gone[asyncio]",),
    ),
    Mutant(
        "worker-starts-the-cancelled",
        "the worker does not look whether what it claimed is cancelled",
        (Edit(WORKER + "run.py", "    if job.cancelled:", "    if job.expired and job.cancelled:"),),
        (ROUND + "test_a_job_cancelled_before_its_claim_is_not_started[asyncio]",),
    ),
    Mutant(
        "retry-of-the-cancelled",
        "a job that was cancelled while it ran comes back",
        (Edit(SQL + "finish.sql", "c.job_id is not null and m.delay is not null as cancelled", "false as cancelled"),),
        (RULES + "test_a_wish_to_cancel_turns_what_would_come_back_into_cancelled",),
    ),
    Mutant(
        "replay-unmarked",
        "a dead letter that was replayed looks open, and a bulk replay makes its job again",
        (
            Edit(
                STORE + "admin/act.py",
                "    run(_mark([new_job], ids, once=False))\n    return ids[0]",
                "    return ids[0]",
            ),
        ),
        (ACTS + "test_many_dead_letters_are_replayed_once_each",),
    ),
    Mutant(
        "bulk-replay-twice",
        "a bulk replay takes dead letters that were replayed or discarded",
        (Edit(STORE + "admin/act.py", "for job in new_jobs], once=True)", "for job in new_jobs], once=False)"),),
        (ACTS + "test_many_dead_letters_are_replayed_once_each",),
    ),
    Mutant(
        "retry-leaves-the-letter",
        "a dead letter stands while its job runs again, and whoever retries it next runs it twice",
        (
            Edit(
                SQL + "admin/retry_dead.sql",
                "  delete from pgflow.dead_letters as d using named as n\n",
                "  select "
                "d.job_id, d.attempt + 1 as attempt, d.reason_code = 'WORKER_CRASHED' as suspect, n.queue, n.task,\n"
                "    n.rank, n.max_attempts from pgflow.dead_letters as d, named as n\n",
            ),
            Edit(
                SQL + "admin/retry_dead.sql",
                "  returning d.job_id, d.attempt + 1 as attempt, d.reason_code = 'WORKER_CRASHED' as suspect, n.queue, "
                "n.task,\n    n.rank, n.max_attempts\n",
                "",
            ),
        ),
        (ACTS + "test_a_dead_job_retried_gets_one_more_try",),
    ),
    Mutant(
        "bucket-looks-before-it-detaches",
        "a bucket is dropped with a job whose enqueue committed while the removal waited for its lock",
        (Edit("migrations/0003_archived_buckets.sql", DETACH, LOOK_FIRST),),
        (LOCKS + "test_a_job_whose_enqueue_commits_while_a_removal_waits_is_put_back",),
    ),
    Mutant(
        "bucket-puts-nothing-back",
        "a bucket is dropped with the jobs in it that have yet to run",
        (Edit("migrations/0003_archived_buckets.sql", DETACH, DETACH.replace("pgflow.put_back(name)", "0")),),
        (BUCKETS + "test_a_dropped_bucket_puts_back_what_goes_on_and_open_dead_letters",),
    ),
    Mutant(
        "bucket-drops-open-letters",
        "a bucket is dropped with jobs that gave up and that nobody has looked at",
        (
            Edit(
                "migrations/0003_archived_buckets.sql",
                "where job_id between $1 and $2 and replayed_as is null and discarded_at is null)",
                "where false)",
            ),
        ),
        (BUCKETS + "test_a_dropped_bucket_puts_back_what_goes_on_and_open_dead_letters",),
    ),
)
