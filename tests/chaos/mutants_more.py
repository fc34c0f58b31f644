"""The rest of the mutants: cancelling, limits, replays, buckets, clocks, and claims in doubt."""

from __future__ import annotations

from typing import Final

from chaos.mutants_table import ACTS, HERE, LIMITED, MUTANTS, RULES, SQL, WORKER, Edit, Mutant

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
LEASED: Final = "select f.lease_id, clock_timestamp(), clock_timestamp() + %(seconds)s"

MORE: Final = (
    Mutant(
        "claim-hands-out-the-cancelled",
        "a job that was cancelled while its entry was locked is run",
        (
            Edit(
                SQL + "claim.sql",
                "  exists (select from pgflow.cancellations)\n"
                "    and exists (select from pgflow.cancellations as c where c.job_id = f.job_id),",
                "  false,",
            ),
        ),
        (ACTS + "test_cancelling_an_entry_that_a_claim_has_locked_does_not_wait",),
    ),
    Mutant(
        "worker-starts-the-cancelled",
        "the worker does not look whether what it claimed is cancelled",
        (Edit(WORKER + "run.py", "    if job.cancelled:", "    if job.expired and job.cancelled:"),),
        (HERE + "test_a_job_cancelled_before_its_claim_is_not_started[asyncio]",),
    ),
    Mutant(
        "retry-of-the-cancelled",
        "a job that was cancelled while it ran comes back",
        (Edit(SQL + "finish.sql", "c.job_id is not null and m.delay is not null as cancelled", "false as cancelled"),),
        (RULES + "test_a_wish_to_cancel_turns_what_would_come_back_into_cancelled",),
    ),
    Mutant(
        "limit-locks-as-it-counts",
        "the lock that guards a count is taken by the statement that counts, whose snapshot is older",
        (
            Edit(
                "src/pgflow/store/limited.py",
                '    return run(Statement(LOCK, {"queue": queue}, bool)) or run(Statement(ADD, {"queue": queue}, bool))',
                '    run(Statement(ADD, {"queue": queue}, bool))\n    return True',
            ),
            Edit(
                SQL + "limited/in_flight.sql",
                "select count(*) from (\n  select from pgflow.leases as l",
                "with guarded as materialized (select name from pgflow.queues where name = %(queue)s for update)\n"
                "select count(*) from (\n  select from guarded cross join pgflow.leases as l",
            ),
        ),
        (LIMITED + "test_four_claiming_at_once_and_finishing_nothing_take_exactly_the_limit",),
    ),
    Mutant(
        "replay-unmarked",
        "a dead letter that was replayed looks open, and a bulk replay makes its job again",
        (
            Edit(
                "src/pgflow/store/admin/act.py",
                "    run(_mark([new_job], ids, once=False))\n    return ids[0]",
                "    return ids[0]",
            ),
        ),
        (ACTS + "test_many_dead_letters_are_replayed_once_each",),
    ),
    Mutant(
        "bulk-replay-twice",
        "a bulk replay takes dead letters that were replayed or discarded",
        (
            Edit(
                "src/pgflow/store/admin/act.py", "for job in new_jobs], once=True)", "for job in new_jobs], once=False)"
            ),
        ),
        (ACTS + "test_many_dead_letters_are_replayed_once_each",),
    ),
    Mutant(
        "bucket-looks-before-it-detaches",
        "a bucket is dropped with a job whose enqueue committed while the removal waited for its lock",
        (Edit("migrations/0003_archived_buckets.sql", DETACH, LOOK_FIRST),),
        (HERE + "test_a_job_whose_enqueue_commits_while_a_removal_waits_is_put_back",),
    ),
    Mutant(
        "worker-times-its-leases",
        "a lease ends by the worker's clock, and one an hour slow loses its jobs at once",
        (
            Edit("src/pgflow/store/jobs.py", "import json\nimport uuid\n", "import json\nimport time\nimport uuid\n"),
            Edit(
                "src/pgflow/store/jobs.py",
                '"suspects": suspects, "rank"',
                '"clock": time.time(), "suspects": suspects, "rank"',
            ),
            Edit(SQL + "claim.sql", LEASED, LEASED.replace("clock_timestamp() + %", "to_timestamp(%(clock)s) + %")),
        ),
        (HERE + "test_leases_and_delays_go_by_the_databases_clock",),
    ),
    Mutant(
        "client-times-its-delays",
        "a delay is counted from the client's clock",
        (
            Edit("src/pgflow/store/jobs.py", "import json\nimport uuid\n", "import json\nimport time\nimport uuid\n"),
            Edit("src/pgflow/store/jobs.py", '"timeout": job.timeout, "delay": job.delay,', '"timeout": job.timeout,'),
            Edit(
                "src/pgflow/store/jobs.py",
                '"run_at": job.run_at and job.run_at.isoformat(),',
                '"run_at": (job.run_at and job.run_at.isoformat())\n'
                '        or (job.delay and time.strftime("%FT%TZ", time.gmtime(time.time() + job.delay))),',
            ),
        ),
        (HERE + "test_leases_and_delays_go_by_the_databases_clock",),
    ),
    Mutant(
        "ids-as-they-come",
        "an id of a wrong clock goes to the bucket of another year",
        (
            Edit(
                SQL + "enqueue.sql",
                "case when a.id between c.least_id and c.most_id then a.id else pgflow.uuid_restamp(a.id, c.now) end as id",
                "a.id",
            ),
        ),
        (RULES + "test_an_id_of_a_wrong_clock_is_stamped_anew_and_the_new_one_returned",),
    ),
    Mutant(
        "claims-in-doubt-forgotten",
        "jobs of a claim whose answer was lost stay leased and unstarted until the lease ends",
        (Edit(WORKER + "claimer.py", "            self._in_doubt = [lease, *lone]\n", ""),),
        (HERE + "test_a_claim_whose_answer_is_lost_is_taken_up_and_nothing_is_called_lost[asyncio]",),
    ),
)

ALL: Final = (*MUTANTS, *MORE)
