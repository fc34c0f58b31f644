"""Rules of ends: the fence, the flush, the reaper, numbers and budgets, and the order of locks."""

from __future__ import annotations

from typing import Final

from chaos.broken.kinds import FLUSH, LOCKS, RULES, SQL, STORE, WON, WORKER, Edit, Mutant

OUTCOMES: Final = (
    Mutant(
        "finish-without-fence",
        "a flush takes every outcome for won, also of runs that another hand has ended",
        (Edit(SQL + "finish.sql", WON, "select j.* from judged as j"),),
        (RULES + "test_the_second_outcome_of_one_run_changes_nothing",),
    ),
    Mutant(
        "reap-without-fence",
        "the reaper puts back a run whose outcome was committed while it waited",
        (Edit(SQL + "reap.sql", WON, "select j.* from judged as j"),),
        (LOCKS + "test_a_reaper_that_waited_behind_an_outcome_puts_nothing_back",),
    ),
    Mutant(
        "release-without-attempt",
        "a job handed back leaves no trace, and the reaper may put it back a second time",
        (
            Edit(
                SQL + "finish.sql",
                "from judged order by job_id, attempt",
                "from judged where outcome <> 'released' order by job_id, attempt",
            ),
            Edit(
                SQL + "finish.sql",
                WON,
                WON.replace(" join ", " left join ") + " where j.outcome = 'released' or s.job_id is not null",
            ),
        ),
        (RULES + "test_attempt_numbers_rise_with_every_hand_over_and_only_failures_spend",),
    ),
    Mutant(
        "retry-keeps-its-number",
        "what comes back has the number of the run before it, whose fence is written",
        (
            Edit(
                SQL + "finish.sql",
                "select next_run_at, job_id, queue, rank, attempt + 1,",
                "select next_run_at, job_id, queue, rank, attempt,",
            ),
            Edit(
                SQL + "finish.sql",
                "select queue, rank, next_run_at, job_id, attempt + 1,",
                "select queue, rank, next_run_at, job_id, attempt,",
            ),
        ),
        (RULES + "test_attempt_numbers_rise_with_every_hand_over_and_only_failures_spend",),
    ),
    Mutant(
        "lost-keeps-its-number",
        "the same of what the reaper takes back",
        (Edit(SQL + "reap.sql", "rank, attempt + 1, spent, true, true", "rank, attempt, spent, true, true"),),
        (RULES + "test_each_loss_doubles_the_wait_up_to_a_minute",),
    ),
    Mutant(
        "snooze-spends",
        "a snooze costs an attempt of the budget",
        (
            Edit(
                WORKER + "judge.py",
                "OutcomeKind.SNOOZED, run.started, finished, job.spent, delay",
                "OutcomeKind.SNOOZED, run.started, finished, job.spent + 1, delay",
            ),
        ),
        ("tests/worker/test_outcomes.py::test_a_task_says_how_its_run_ends[asyncio]",),
    ),
    Mutant(
        "failures-without-end",
        "a job fails once more than it may",
        (Edit(WORKER + "judge.py", "elif spent >= job.max_attempts:", "elif spent > job.max_attempts:"),),
        ("tests/worker/test_outcomes.py::test_a_failing_task_is_tried_again_until_its_attempts_are_spent[asyncio]",),
    ),
    Mutant(
        "reap-nothing",
        "lapsed leases stay, and their jobs with them",
        (Edit(SQL + "reap.sql", "l.expires_at < clock_timestamp()", "l.expires_at < '-infinity'"),),
        (RULES + "test_a_lease_stands_until_all_of_it_is_accounted_for",),
    ),
    Mutant(
        "reap-spends-for-all",
        "every loss counts as a failure, also of jobs that never started",
        (
            Edit(SQL + "reap.sql", "u.spent + l.alone::integer as spent", "u.spent + 1 as spent"),
            Edit(SQL + "reap.sql", "l.alone and u.spent + 1 >=", "u.spent + 1 >="),
        ),
        (RULES + "test_only_a_crash_as_a_suspect_spends_and_at_the_limit_it_dies_of_it",),
    ),
    Mutant(
        "reap-never-guilty",
        "a job that kills every worker that runs it never dies of it",
        (Edit(SQL + "reap.sql", "l.alone and u.spent + 1 >= j.max_attempts", "false"),),
        (RULES + "test_only_a_crash_as_a_suspect_spends_and_at_the_limit_it_dies_of_it",),
    ),
    Mutant(
        "reap-without-suspects",
        "a job that kills its worker comes back in a batch and takes the others along again",
        (Edit(SQL + "reap.sql", "attempt + 1, spent, true, true", "attempt + 1, spent, false, false"),),
        (RULES + "test_a_lost_job_comes_back_as_a_suspect_in_a_lease_of_its_own",),
    ),
    Mutant(
        "lease-of-the-unfinished-dropped",
        "a flush deletes a lease under which jobs still run: should the worker die, nobody takes them back",
        (
            Edit(
                SQL + "finish.sql",
                "where id = any (%(over)s::uuid[]) and id in (select id from held)",
                "where (id = any (%(over)s::uuid[]) or true) and id in (select id from held)",
            ),
        ),
        (RULES + "test_a_lease_stands_until_all_of_it_is_accounted_for",),
    ),
    Mutant(
        "lease-kept-for-ever",
        "leases outlive the last of their jobs",
        (
            Edit(
                SQL + "finish.sql",
                "where id = any (%(over)s::uuid[]) and id in (select id from held)",
                "where id = any (%(over)s::uuid[]) and false",
            ),
        ),
        (RULES + "test_one_flush_stores_every_kind_of_outcome",),
    ),
    Mutant(
        "finish-forgets-in-a-crash",
        "outcomes are acknowledged before they are on disk: a crash of the server forgets results that were told",
        (Edit(STORE + "jobs.py", 'load("finish", BY_INDEX | HASHES)', 'load("finish", BY_INDEX | HASHES | RELAXED)'),),
        (LOCKS + "test_outcomes_and_jobs_are_on_disk_before_they_are_acknowledged",),
    ),
    Mutant(
        "stats-count-the-dropped",
        "an outcome that was dropped is counted all the same",
        (
            Edit(
                SQL + "finish.sql",
                "from won group by queue, task, worker_id, outcome order",
                "from judged group by queue, task, worker_id, outcome order",
            ),
        ),
        (LOCKS + "test_statistics_are_a_recount_of_the_attempts_that_were_stored",),
    ),
    Mutant(
        "flush-tells-before-it-stores",
        "plugins hear of outcomes, and leases are forgotten, before anything is stored",
        (
            Edit(
                WORKER + "flusher.py",
                "                    await self._store(chunk, over)\n"
                "                    self._hands.forget(over)\n"
                "                    self._pulse.storing_since = None\n"
                "                    self._stored(chunk, self._lost)\n",
                "                    self._hands.forget(over)\n"
                "                    self._stored(chunk, self._lost)\n"
                "                    await self._store(chunk, over)\n",
            ),
        ),
        ("tests/hooks/test_in_a_worker.py::test_only_stored_outcomes_are_told[asyncio]",),
    ),
    Mutant(
        "flush-locks-no-lease",
        "a flush takes attempts before leases, against the order of the reaper: they deadlock",
        (Edit(SQL + "finish.sql", "order by l.id for update", "order by l.id"),),
        (LOCKS + "test_a_flush_waits_for_a_lease_before_it_writes_anything",),
    ),
    Mutant(
        "success-locks-no-lease",
        "the short way for a flush takes attempts before leases: it doubles what the reaper has taken back",
        (Edit(SQL + "succeed.sql", "order by l.id for update", "order by l.id"),),
        (FLUSH + "test_it_waits_for_whoever_has_a_lease_and_writes_nothing_meanwhile",),
    ),
    Mutant(
        "success-locks-out-of-order",
        "two flushes of successes take the leases they share in opposite order and deadlock",
        (Edit(SQL + "succeed.sql", "order by l.id for update", "order by l.id desc for update"),),
        (FLUSH + "test_it_locks_its_leases_in_order_of_their_ids",),
    ),
    Mutant(
        "success-without-lease",
        "a success is stored although its lease was taken back, and its job runs again",
        (Edit(SQL + "succeed.sql", "count(*) = cardinality(%(leases)s::uuid[])", "count(*) > 0"),),
        (FLUSH + "test_nothing_is_stored_where_a_lease_is_gone",),
    ),
    Mutant(
        "success-past-the-fence",
        "a success takes the place of an outcome that stands, and is counted beside it",
        (
            Edit(
                SQL + "succeed.sql",
                "  order by d.job_id, d.attempt\n",
                "  order by d.job_id, d.attempt\n  on conflict do nothing\n",
            ),
        ),
        (FLUSH + "test_nothing_is_stored_where_a_run_has_an_outcome_already",),
    ),
    Mutant(
        "success-forgets-in-a-crash",
        "successes are acknowledged before they are on disk",
        (
            Edit(
                STORE + "flush.py",
                'load("succeed", plans.BY_INDEX)',
                'load("succeed", plans.BY_INDEX | plans.RELAXED)',
            ),
        ),
        (LOCKS + "test_outcomes_and_jobs_are_on_disk_before_they_are_acknowledged",),
    ),
    Mutant(
        "repeated-flush-is-late",
        "what a flush stored whose answer was lost counts as ended by another hand",
        (Edit(STORE + "flush.py", "    if dropped:\n", "    if not dropped:\n"),),
        ("tests/store/test_answers.py::test_a_flush_sent_again_after_a_lost_answer_calls_none_of_it_late[mixed]",),
    ),
    Mutant(
        "late-flush-is-believed",
        "an outcome that the lapse of a lease overtook counts as stored",
        (Edit(SQL + "told.sql", "where a.outcome = d.outcome and a.error_code is distinct from 'LEASE_EXPIRED'", ""),),
        ("tests/store/test_answers.py::test_a_flush_behind_a_reaper_is_late_whatever_it_says",),
    ),
    Mutant(
        "success-leaves-the-wish",
        "a wish to cancel stays behind a success",
        (Edit(SQL + "succeed.sql", "    and job_id = any (%(job_ids)s::uuid[])\n), freed", "    and false\n), freed"),),
        (FLUSH + "test_a_wish_that_came_too_late_and_a_key_end_with_the_job",),
    ),
    Mutant(
        "flush-locks-out-of-order",
        "two flushes take the leases they share in opposite order and deadlock",
        (Edit(SQL + "finish.sql", "order by l.id for update", "order by l.id desc for update"),),
        (LOCKS + "test_a_flush_locks_its_leases_in_order_of_their_ids",),
    ),
    Mutant(
        "wish-outlives-the-end",
        "a wish to cancel stays behind the end of its job, and may kill a later run",
        (Edit(SQL + "finish.sql", "and c.job_id = w.job_id\n), freed", "and c.job_id = w.job_id and false\n), freed"),),
        (LOCKS + "test_a_wish_to_cancel_that_came_too_late_ends_with_its_job",),
    ),
)
