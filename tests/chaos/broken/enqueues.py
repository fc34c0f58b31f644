"""Rules of enqueues: commits, callers' transactions, clocks, doorbells and refusals."""

from __future__ import annotations

from typing import Final

from chaos.broken.kinds import (
    DOOR,
    ENQUEUED,
    GATHERED,
    REFUSALS,
    ROUND,
    RULES,
    SQL,
    STORE,
    WAYS,
    WORKER,
    Edit,
    Mutant,
)

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
                "        if conn is None:\n            if len(jobs) == 1",
                "        if conn is not self:\n            if len(jobs) == 1",
            ),
        ),
        (WAYS + "test_an_async_enqueue_on_a_callers_connection_goes_with_its_rollback[asyncio]",),
    ),
    Mutant(
        "client-times-its-delays",
        "a delay is counted from the client's clock",
        (
            Edit(STORE + "jobs.py", "import json\nfrom json", "import json\nimport time\nfrom json"),
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
                "then a.id else pgflow.id_in_time(a.id, c.now) end",
                "then a.id else a.id end",
            ),
        ),
        (RULES + "test_an_id_of_a_wrong_clock_is_stamped_anew_and_the_new_one_returned",),
    ),
    Mutant(
        "late-again-is-new",
        "what a process that stood still asks for again is stored twice",
        (
            Edit(
                SQL + "enqueue.sql",
                "else pgflow.id_in_time(a.id, c.now) end",
                "else pgflow.uuid_restamp(a.id, c.now) end",
            ),
        ),
        (ENQUEUED + "test_an_enqueue_repeated_by_one_who_stood_still_stores_nothing_twice[6]",),
    ),
    Mutant(
        "one-id-as-it-comes",
        "the same of a job that is stored alone",
        (
            Edit(
                SQL + "enqueue_one.sql",
                "pgflow.id_in_time(cast(%(id)s as uuid), statement_timestamp())",
                "cast(%(id)s as uuid)",
            ),
        ),
        (ENQUEUED + "test_ids_of_a_wrong_clock_are_stamped_anew_and_the_others_kept[1]",),
    ),
    Mutant(
        "copied-ids-as-they-come",
        "the same of jobs that are copied",
        (Edit(STORE + "copying.py", "if least <= min(raw) and max(raw) <= most:", "if raw:"),),
        (ENQUEUED + "test_ids_of_a_wrong_clock_are_stamped_anew_and_the_others_kept[200]",),
    ),
    Mutant(
        "copied-times-of-the-client",
        "what is copied is timed by the client's clock",
        (
            Edit(STORE + "enqueues.py", "import json\n", "import json\nimport time\n"),
            Edit(
                STORE + "enqueues.py",
                "Copied(jobs, run(Statement(CLOCK, {}, _first)))",
                "Copied(jobs, run(Statement(CLOCK, {}, lambda _: int((time.time() - 946_684_800) * 1e6))))",
            ),
        ),
        (ENQUEUED + "test_times_are_of_the_databases_clock[200]",),
    ),
    Mutant(
        "copied-again",
        "many jobs whose commit's answer was lost are copied again, and refused for being there",
        (
            Edit(
                STORE + "enqueues.py",
                "store, self._copies = copy if self._copies else keys.enqueue, False",
                "store = copy if self._copies else keys.enqueue",
            ),
        ),
        (ENQUEUED + "test_asked_again_after_a_lost_answer_all_are_stored_once[200-bulk/ring]",),
    ),
    Mutant(
        "one-asked-again-is-refused",
        "one job whose commit's answer was lost is refused for being there",
        (
            Edit(
                STORE + "enqueues.py",
                "    except UniqueViolation:\n        return pool.run(sql.enqueue(jobs))",
                "    except UniqueViolation:\n        raise",
            ),
        ),
        (ENQUEUED + "test_asked_again_after_a_lost_answer_all_are_stored_once[1-enqueue_one]",),
    ),
    Mutant(
        "copied-in-parts",
        "each part of many jobs is committed by itself, and some stay where another fails",
        (
            Edit(
                STORE + "enqueues.py",
                "return pool.together(storing, repeatable=not storing.is_keyed)",
                "return [i for c in _chunks(jobs) for i in pool.together(_Storing(c), repeatable=True)]",
            ),
        ),
        (ENQUEUED + "test_all_are_stored_or_none[5001]",),
    ),
    Mutant(
        "gathered-in-one-context",
        "hooks judge the enqueues that share a commit in the context of one of their callers",
        (
            Edit(
                DOOR,
                "judged[place] = context.run(self._judge, jobs, enqueue)",
                "judged[place] = self._judge(jobs, enqueue)",
            ),
        ),
        (GATHERED + "test_a_refusal_is_of_its_own_call_and_hooks_judge_in_the_callers_context[asyncio]",),
    ),
    Mutant(
        "gathered-wait-for-who-is-gone",
        "enqueues that share a commit wait for ever where the one that led them was cancelled",
        (
            Edit(
                "src/pgflow/gathering.py",
                "            trip.leader.turn.set()\n",
                "            self._pass_on()\n",
            ),
        ),
        (GATHERED + "test_nobody_waits_for_those_whom_asyncio_cancels[gone0]",),
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
        "one-bell-left-out",
        "the same of a job that is stored alone",
        (
            Edit(
                SQL + "enqueue_one.sql",
                "and (w.busy_until is null or w.busy_until < clock_timestamp() + interval '1 s'))",
                "and false)",
            ),
        ),
        (ENQUEUED + "test_they_ring_once_a_queue_and_not_where_every_worker_has_promised_to_poll[1]",),
    ),
    Mutant(
        "copied-bell-left-out",
        "the same of jobs that are copied",
        (Edit(STORE + "enqueues.py", "if queues := copied.queues():", "if (queues := copied.queues()) == []:"),),
        (ENQUEUED + "test_they_ring_once_a_queue_and_not_where_every_worker_has_promised_to_poll[200]",),
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
