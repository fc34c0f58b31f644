"""Rules of claims: who gets what, in which lease, how much at once, and what a lost answer leaves."""

from __future__ import annotations

from typing import Final

from chaos.broken.kinds import ACTS, HELD, LIMITED, LOCKS, ROTA, ROUND, RULES, SQL, STORE, WAYS, WORKER, Edit, Mutant

LEASED: Final = "select f.lease_id, clock_timestamp(), clock_timestamp() + %(seconds)s"

CLAIMS: Final = (
    Mutant(
        "claim-without-lock",
        "two claims at once take the same jobs",
        (Edit(SQL + "claim.sql", "  for update of r skip locked\n", ""),),
        (LOCKS + "test_a_claim_passes_by_what_another_claim_has_in_hand",),
    ),
    Mutant(
        "claim-without-skip",
        "a claim waits for another's",
        (Edit(SQL + "claim.sql", "for update of r skip locked", "for update of r"),),
        (LOCKS + "test_a_claim_passes_by_what_another_claim_has_in_hand",),
    ),
    Mutant(
        "promote-without-skip",
        "a promotion waits for whoever holds one entry, and what is due stays where it is",
        (Edit(SQL + "promote.sql", "limit 1000\n  for update skip locked", "limit 1000"),),
        (LOCKS + "test_a_promotion_passes_by_what_another_hand_has_locked",),
    ),
    Mutant(
        "promote-before-time",
        "what is to run later runs now",
        (Edit(SQL + "promote.sql", "where run_at <= now() order by", "order by"),),
        (LOCKS + "test_what_is_not_due_is_not_promoted",),
    ),
    Mutant(
        "claim-hands-out-the-cancelled",
        "a job that was cancelled while its entry was locked is run",
        (
            Edit(
                SQL + "claim.sql",
                "exists (select from pgflow.cancellations as c where c.job_id = f.job_id),\n",
                "false,\n",
            ),
        ),
        (ACTS + "test_cancelling_an_entry_that_a_claim_has_locked_does_not_wait",),
    ),
    Mutant(
        "claim-drops-entries-without-job",
        "an entry whose job is gone is leased and never ends",
        (Edit(SQL + "claim.sql", "left join pgflow.jobs", "join pgflow.jobs"),),
        (RULES + "test_an_entry_without_its_job_is_claimed_with_no_task",),
    ),
    Mutant(
        "suspects-together",
        "one worker starts several suspects at once, and one crash is held against them all",
        (Edit(WORKER + "claimer.py", "return not self._floor.hands.suspects", "return True"),),
        ("tests/worker/test_leases.py::test_suspects_run_one_at_a_time[asyncio]",),
    ),
    Mutant(
        "suspects-share-a-lease",
        "a suspect is leased with others, whom its crash takes along",
        (Edit(SQL + "claim.sql", "then (%(lone)s::uuid[])[1]\n", "then p.lease\n"),),
        (RULES + "test_a_lost_job_comes_back_as_a_suspect_in_a_lease_of_its_own",),
    ),
    Mutant(
        "one-attempt-in-a-batch",
        "a job of one attempt is leased in a batch, and lost with it although it never started",
        (
            Edit(
                SQL + "enqueue.sql",
                "max_attempts = 1 from stored where run_at <= created_at\n), put_off",
                "false from stored where run_at <= created_at\n), put_off",
            ),
        ),
        (RULES + "test_jobs_of_one_attempt_are_leased_alone_and_only_as_many_as_can_start",),
    ),
    Mutant(
        "worker-times-its-leases",
        "a lease ends by the worker's clock, and one an hour slow loses its jobs at once",
        (
            Edit(STORE + "claims.py", "import json\nimport uuid\n", "import json\nimport time\nimport uuid\n"),
            Edit(
                STORE + "claims.py",
                '"suspects": suspects, "rank"',
                '"clock": time.time(), "suspects": suspects, "rank"',
            ),
            Edit(SQL + "claim.sql", LEASED, LEASED.replace("clock_timestamp() + %", "to_timestamp(%(clock)s) + %")),
        ),
        (WAYS + "test_leases_and_delays_go_by_the_databases_clock",),
    ),
    Mutant(
        "claims-in-doubt-forgotten",
        "jobs of a claim whose answer was lost stay leased and unstarted until the lease ends",
        (Edit(WORKER + "claimer.py", "self._in_doubt = leases", "self._in_doubt = []"),),
        (ROUND + "test_a_claim_whose_answer_is_lost_is_taken_up_and_nothing_is_called_lost[asyncio]",),
    ),
    Mutant(
        "claims-in-doubt-of-one-queue",
        "of a lost claim of several queues, the jobs of one are taken up and the others stay leased to nobody",
        (Edit(WORKER + "claimer.py", "self._in_doubt = leases", "self._in_doubt = leases[:1]"),),
        (ROTA + "test_a_claim_of_several_queues_whose_answer_is_lost_is_taken_up_from_all_of_them[asyncio]",),
    ),
    Mutant(
        "claims-in-turn-as-one-queues",
        "jobs of one queue are taken for another's, whose limits and counts they then come under",
        (Edit(SQL + "claim.sql", "nullif(f.nth, 1),", "null::bigint,"),),
        ("tests/store/test_claims_in_turn.py::test_each_queue_has_a_lease_of_its_own_with_its_jobs_in_order",),
    ),
    Mutant(
        "claims-in-turn-forget-the-unreached",
        "a queue that a claim had no room for is taken for empty, and waits for the next poll",
        (
            Edit(
                WORKER + "rota.py",
                "return turns[: 1 + max(",
                "return turns[: 999 + max(",
            ),
        ),
        (ROTA + "test_what_a_claim_did_not_reach_comes_first_the_next_time",),
    ),
    Mutant(
        "dear-head-becomes-usual",
        "under a held snapshot the head grows dearer claim by claim, and is taken for what jobs cost",
        (
            Edit(
                WORKER + "reader.py",
                "min(self._row_seconds, row_seconds)",
                "min(self._row_seconds * 1.02, row_seconds)",
            ),
        ),
        ("tests/worker/test_reader.py::test_a_head_that_grows_dearer_a_little_each_time_is_left_all_the_same",),
    ),
    Mutant(
        "claims-in-doubt-not-voided",
        "a claim that arrives late leases jobs to a worker that has looked for them already",
        (Edit(SQL + "void.sql", "as v (id) order by v.id", "as v (id) where false order by v.id"),),
        ("tests/store/test_answers.py::test_a_claim_that_arrives_after_its_lease_was_voided_takes_nothing",),
    ),
    Mutant(
        "recover-takes-the-ended",
        "jobs of a claim in doubt that have ended are run again",
        (
            Edit(
                SQL + "recover.sql",
                "and not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)",
                "",
            ),
        ),
        (RULES + "test_a_claim_whose_answer_was_lost_is_read_back_by_its_lease",),
    ),
    Mutant(
        "batch-without-bytes",
        "a batch of large jobs is as long as one of small ones",
        (Edit(WORKER + "claimer.py", ", max(1, int(BATCH_BYTES_MAX / self._bytes_each))", ""),),
        (ROUND + "test_a_batch_of_large_jobs_is_short[asyncio]",),
    ),
    Mutant(
        "unknown-task-at-once",
        "jobs of an unknown task go back to the head of the queue and are in the way of all others",
        (Edit(WORKER + "run.py", "delay = min(60.0, 5.0 * 2 ** min(job.attempt - 1, 4))", "delay = 0.0"),),
        (ROUND + "test_jobs_of_unknown_tasks_are_put_off_longer_each_time_and_nothing_is_spent[asyncio]",),
    ),
    Mutant(
        "unknown-task-spends",
        "a worker that does not know a task spends the job's budget",
        (
            Edit(
                WORKER + "run.py",
                "    return released(job, code, delay, message=message)",
                "    return released(job, code, delay, message=message)._replace(spent=job.spent + 1)",
            ),
        ),
        (ROUND + "test_jobs_of_unknown_tasks_are_put_off_longer_each_time_and_nothing_is_spent[asyncio]",),
    ),
    Mutant(
        "limit-locks-as-it-counts",
        "the lock that guards a count is taken by the statement that counts, whose snapshot is older",
        (
            Edit(
                STORE + "limited.py",
                'return run(Statement(LOCK, {"queue": queue}, bool)) or run(Statement(ADD, {"queue": queue}, bool))',
                'return run(Statement(ADD, {"queue": queue}, bool)) or True',
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
        "isolation-of-the-database",
        "the store works in whatever isolation the database prefers: the fence raises, and counts behind locks are old",
        (
            Edit(SQL + "bound.sql", "'read committed'", "current_setting('default_transaction_isolation')"),
            Edit(STORE + "wire.py", "wire.isolation_level = psycopg.IsolationLevel.READ_COMMITTED", "pass"),
            Edit(STORE + "sending.py", '"begin isolation level read committed"', '"begin"'),
        ),
        (LOCKS + "test_the_store_reads_committed_whatever_the_database_prefers",),
    ),
    Mutant(
        "settings-outlive-their-transaction",
        "what pins one statement's plan is left to whoever gets the connection next",
        (Edit(STORE + "sending.py", "set_config(name, value, true)", "set_config(name, value, false)"),),
        (HELD + "test_where_every_statement_has_settings_of_the_pools_nothing_is_left_to_the_session",),
    ),
    Mutant(
        "held-settings-meet-a-transaction",
        "a transaction runs under the settings of the statement that its session ran last",
        (Edit(STORE + "lender.py", "                let_go(self._conn)", "                pass"),),
        (HELD + "test_transactions_and_borrowers_meet_none_of_them",),
    ),
    Mutant(
        "held-settings-believed-after-a-failure",
        "a session is taken to hold what a failed statement took back with it",
        (Edit(STORE + "sending.py", "    conn.holds = None\n", "    conn.holds = settings\n"),),
        (HELD + "test_a_statement_that_fails_leaves_no_doubt_about_what_the_session_holds",),
    ),
    Mutant(
        "fork-shares-connections",
        "a forked child speaks on its parent's connections",
        (
            Edit(
                STORE + "lender.py",
                "if self._connections is None or self._pid != os.getpid():",
                "if self._connections is None:",
            ),
        ),
        ("tests/test_fork.py::test_parent_and_child_enqueue_side_by_side",),
    ),
)
