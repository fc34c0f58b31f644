"""Each rule of the store and the worker broken on purpose, and the tests that have to notice.

A mutant is a small change after which jobs are lost, doubled or held up. Where no test fails, the rule it breaks is
not tested.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Edit(NamedTuple):
    """One text of one file and what stands in its place; the old one occurs exactly once, or the table has rotted."""

    file: str
    old: str
    new: str


class Mutant(NamedTuple):
    """Edits that together break one rule, and the tests of which one at least then fails."""

    name: str
    breaks: str
    edits: tuple[Edit, ...]
    caught_by: tuple[str, ...]


SQL: Final = "src/pgflow/store/sql/"
WORKER: Final = "src/pgflow/worker/"
RULES: Final = "tests/store/test_rules.py::"
ACTS: Final = "tests/store/test_admin_act.py::"
LIMITED: Final = "tests/store/test_limited.py::"
HERE: Final = "tests/chaos/test_mutants_caught.py::"
WON: Final = "select j.* from judged as j join stored as s on s.job_id = j.job_id and s.attempt = j.attempt"

MUTANTS: Final = (
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
        (HERE + "test_a_reaper_that_waited_behind_an_outcome_puts_nothing_back",),
    ),
    Mutant(
        "claim-without-lock",
        "two claims at once take the same jobs",
        (Edit(SQL + "claim.sql", "  for update of r skip locked\n", ""),),
        (HERE + "test_a_claim_passes_by_what_another_claim_has_in_hand",),
    ),
    Mutant(
        "claim-without-skip",
        "a claim waits for another's",
        (Edit(SQL + "claim.sql", "for update of r skip locked", "for update of r"),),
        (HERE + "test_a_claim_passes_by_what_another_claim_has_in_hand",),
    ),
    Mutant(
        "promote-without-skip",
        "a promotion waits for whoever holds one entry, and what is due stays where it is",
        (Edit(SQL + "promote.sql", "limit 1000\n  for update skip locked", "limit 1000"),),
        (HERE + "test_a_promotion_passes_by_what_another_hand_has_locked",),
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
        "reap-without-suspects",
        "a job that kills its worker comes back in a batch and takes the others along again",
        (Edit(SQL + "reap.sql", "attempt + 1, spent, true, true", "attempt + 1, spent, false, false"),),
        (RULES + "test_a_lost_job_comes_back_as_a_suspect_in_a_lease_of_its_own",),
    ),
    Mutant(
        "suspects-together",
        "one worker starts several suspects at once, and one crash is held against them all",
        (Edit(WORKER + "claimer.py", "suspects=not self._floor.hands.suspects", "suspects=True"),),
        ("tests/worker/test_leases.py::test_suspects_run_one_at_a_time[asyncio]",),
    ),
    Mutant(
        "enqueue-before-commit",
        "an enqueue answers before its commit, and the job may not exist",
        (
            Edit(
                "src/pgflow/door.py",
                "        if len(chunks) == 1 and not keyed:\n            return pool.run(sql.enqueue(jobs))",
                "        if len(chunks) == 1 and not keyed:\n"
                "            import threading\n"
                "            threading.Thread(target=pool.run, args=(sql.enqueue(jobs),)).start()\n"
                "            return [job.id for job in jobs]",
            ),
            Edit(
                "src/pgflow/door.py",
                "        if len(jobs) == 1:\n            return keys.enqueue(pool.run, jobs) if keyed else",
                "        if len(jobs) == 0:\n            return keys.enqueue(pool.run, jobs) if keyed else",
            ),
        ),
        (HERE + "test_an_enqueue_whose_commit_fails_gives_no_id",),
    ),
    Mutant(
        "flush-tells-before-it-stores",
        "plugins hear of outcomes, and leases are forgotten, before anything is stored",
        (
            Edit(
                WORKER + "flusher.py",
                "                    await self._store(chunk, over)\n"
                "                    self._hands.forget(over)\n"
                "                    self._stored(chunk, self._lost)\n",
                "                    self._hands.forget(over)\n"
                "                    self._stored(chunk, self._lost)\n"
                "                    await self._store(chunk, over)\n",
            ),
        ),
        ("tests/hooks/test_in_a_worker.py::test_only_stored_outcomes_are_told[asyncio]",),
    ),
    Mutant(
        "enqueue-beside-the-transaction",
        "an enqueue on a caller's connection is stored on one of the store's own, and outlives a rollback",
        (
            Edit(
                "src/pgflow/door.py",
                "        if conn is None:\n            return self._put(jobs)",
                "        if conn is not self:\n            return self._put(jobs)",
            ),
        ),
        (HERE + "test_an_enqueue_on_a_callers_connection_goes_with_its_rollback",),
    ),
    Mutant(
        "async-enqueue-beside-the-transaction",
        "the same of the async door",
        (
            Edit(
                "src/pgflow/door.py",
                "        if conn is None:\n            pool = await self.apool()",
                "        if conn is not self:\n            pool = await self.apool()",
            ),
        ),
        (HERE + "test_an_async_enqueue_on_a_callers_connection_goes_with_its_rollback[asyncio]",),
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
            Edit(SQL + "finish.sql", "select next_run_at, job_id, queue, rank, attempt + 1,",
                 "select next_run_at, job_id, queue, rank, attempt,"),
            Edit(SQL + "finish.sql", "select queue, rank, next_run_at, job_id, attempt + 1,",
                 "select queue, rank, next_run_at, job_id, attempt,"),
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
        "heartbeat-extends-others",
        "a worker holds on to a lease that is another's",
        (Edit(SQL + "extend_leases.sql", " and worker_id = %(worker)s", ""),),
        (HERE + "test_a_heartbeat_extends_no_lease_of_another_worker",),
    ),
    Mutant(
        "heartbeat-deaf-to-loss",
        "a worker runs on under a lease that was taken away",
        (Edit(WORKER + "heart.py", "if lease not in standing and", "if lease is None and"),),
        (HERE + "test_a_worker_stops_what_runs_under_a_lease_that_is_gone[asyncio]",),
    ),
    Mutant(
        "flush-locks-no-lease",
        "a flush takes attempts before leases, against the order of the reaper: they deadlock",
        (Edit(SQL + "finish.sql", "order by l.id for update", "order by l.id"),),
        (HERE + "test_a_flush_waits_for_a_lease_before_it_writes_anything",),
    ),
    Mutant(
        "flush-locks-out-of-order",
        "two flushes take the leases they share in opposite order and deadlock",
        (Edit(SQL + "finish.sql", "order by l.id for update", "order by l.id desc for update"),),
        (HERE + "test_a_flush_locks_its_leases_in_order_of_their_ids",),
    ),
)
