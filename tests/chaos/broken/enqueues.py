"""Rules of enqueues: commits, callers' transactions, clocks, doorbells and refusals."""

from __future__ import annotations

from typing import Final

from chaos.broken.kinds import DOOR, REFUSALS, ROUND, RULES, SQL, STORE, WAYS, WORKER, Edit, Mutant

ENQUEUES: Final = (
    Mutant(
        "enqueue-before-commit",
        "an enqueue answers although its commit failed, and the job does not exist",
        (
            Edit(
                DOOR,
                "        ids = self._store(judged)\n",
                "        try:\n            ids = self._store(judged)\n"
                "        except Exception:\n            ids = [job.id for job in judged]\n",
            ),
        ),
        (WAYS + "test_an_enqueue_whose_commit_fails_gives_no_id",),
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
        (WAYS + "test_an_enqueue_on_a_callers_connection_goes_with_its_rollback",),
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
        (WAYS + "test_an_async_enqueue_on_a_callers_connection_goes_with_its_rollback[asyncio]",),
    ),
    Mutant(
        "client-times-its-delays",
        "a delay is counted from the client's clock",
        (
            Edit(STORE + "jobs.py", "import json\nimport uuid\n", "import json\nimport time\nimport uuid\n"),
            Edit(STORE + "jobs.py", '"timeout": job.timeout, "delay": job.delay,', '"timeout": job.timeout,'),
            Edit(
                STORE + "jobs.py",
                '"run_at": job.run_at and job.run_at.isoformat(),',
                '"run_at": (job.run_at and job.run_at.isoformat())\n'
                '        or (job.delay and time.strftime("%FT%TZ", time.gmtime(time.time() + job.delay))),',
            ),
        ),
        (WAYS + "test_leases_and_delays_go_by_the_databases_clock",),
    ),
    Mutant(
        "delay-from-the-begin",
        "a delay counts from the begin of the caller's transaction",
        (Edit(SQL + "enqueue.sql", "select clock_timestamp() as now,", "select now() as now,"),),
        (RULES + "test_a_delay_counts_from_the_enqueue_not_from_the_callers_begin",),
    ),
    Mutant(
        "ids-as-they-come",
        "an id of a wrong clock goes to the bucket of another year",
        (
            Edit(
                SQL + "enqueue.sql",
                "then a.id else pgflow.uuid_restamp(a.id, c.now) end",
                "then a.id else a.id end",
            ),
        ),
        (RULES + "test_an_id_of_a_wrong_clock_is_stamped_anew_and_the_new_one_returned",),
    ),
    Mutant(
        "future-in-the-way",
        "what cannot run yet stands in the path of what can",
        (
            Edit(
                SQL + "enqueue.sql",
                "max_attempts = 1 from stored where run_at <= created_at\n), put_off",
                "max_attempts = 1 from stored\n), put_off",
            ),
        ),
        (RULES + "test_what_is_not_due_is_not_in_ready",),
    ),
    Mutant(
        "bell-left-out",
        "an enqueue rings for no worker, be it asleep or not",
        (
            Edit(
                SQL + "enqueue.sql",
                "and (w.busy_until is null or w.busy_until < c.now + interval '1 s'))",
                "and false)",
            ),
        ),
        (RULES + "test_an_enqueue_rings_once_a_queue_and_not_where_every_worker_has_promised_to_poll",),
    ),
    Mutant(
        "promise-not-kept",
        "a worker that promised to poll each 20 ms sleeps until its next poll, and no bell wakes it",
        (
            Edit(
                WORKER + "claimer.py",
                "interval = PROMISE_POLL_SECONDS if now < self._promised_until else self._options.poll_seconds",
                "interval = self._options.poll_seconds",
            ),
        ),
        (ROUND + "test_a_worker_that_promised_to_poll_finds_what_no_bell_announces[asyncio]",),
    ),
    Mutant(
        "joined-enqueue-rings-no-bell",
        "an enqueue in a caller's transaction trusts a promise that may have ended when it commits",
        (
            Edit(
                DOOR,
                "rows = fetch(conn, asking.query, sql.enqueue_payload(asking.left, ring=True))",
                "rows = fetch(conn, asking.query, sql.enqueue_payload(asking.left, ring=False))",
            ),
        ),
        (WAYS + "test_an_enqueue_on_a_callers_connection_rings_whatever_was_promised",),
    ),
    Mutant(
        "refusal-goes-with-the-rollback",
        "a refused enqueue leaves no decision where its caller's transaction is rolled back",
        (
            Edit(
                DOOR,
                "            self._refusals.keep(self._opened().run, refusal, judged)",
                "            if not enqueue.joined:\n"
                "                self._refusals.keep(self._opened().run, refusal, judged)",
            ),
        ),
        (REFUSALS + "test_a_rolled_back_enqueue_stays_charged_and_a_refused_one_stays_on_record",),
    ),
)
