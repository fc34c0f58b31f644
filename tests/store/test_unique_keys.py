"""Unique keys: one job of a key at a time, freed by every end, and nothing locked that another waits for."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import moving
import psycopg
import pytest

from moves import plan
from pgflow.errors import JobStateError
from pgflow.ids import IdMaker
from pgflow.model import NewJob, Outcome, OutcomeKind, State
from pgflow.store import jobs, keys
from pgflow.store.admin import act, look

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]
IDS = IdMaker()


@pytest.fixture(autouse=True)
def every_key_is_of_a_job_that_goes_on(pool: Pool, db: Db) -> Iterator[None]:
    yield
    stray = """
      select k.key, s.state from pgflow.unique_keys as k left join pgflow.job_state as s on s.id = k.job_id
      where k.scope = 'job' and (s.state is null or s.state in ('succeeded', 'dead', 'cancelled', 'expired'))"""
    assert db.execute(stray).fetchall() == []


def new(key: str | None = "k", **fields: Any) -> NewJob:
    return NewJob(**{"id": IDS.make(), "queue": "q", "task": "t", "unique_key": key} | fields)


def put(pool: Pool, *asked: NewJob) -> list[str]:
    return pool.together(lambda run: keys.enqueue(run, asked))


def put_on(conn: Db, *asked: NewJob) -> list[str]:
    """Enqueue on a caller's connection, as the door does."""
    asking = keys.Asking(asked)
    while asking.left:
        payload = jobs.enqueue_payload(asking.left, ring=True)
        asking.heed([row[0] for row in conn.execute(asking.query.text, {"jobs": payload})])
    return asking.ids


def one(pool: Pool, key: str | None = "k", **fields: Any) -> str:
    return put(pool, new(key, **fields))[0]


def holders(db: Db) -> dict[str, str]:
    return dict(db.execute("select key, job_id::text from pgflow.unique_keys where scope = 'job'").fetchall())


def stored(db: Db) -> list[str]:
    return [row[0] for row in db.execute("select id::text from pgflow.jobs order by id")]


def until_one_waits(db: Db) -> None:
    """Wait until a statement waits for another transaction's end."""
    waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    end = time.monotonic() + 10
    while not db.execute(waiting).fetchall()[0][0]:
        assert time.monotonic() < end, "nothing came to wait"


# What is stored


def test_a_second_job_of_a_key_is_not_stored_and_gives_the_first_ones_id(pool: Pool, db: Db) -> None:
    first = one(pool)
    assert one(pool) == one(pool, queue="other", delay=60.0) == first
    assert stored(db) == [first]
    assert db.execute("select unique_key from pgflow.jobs").fetchall() == [("k",)]
    assert len(moving.claim(pool, 9)) == 1


def test_keys_are_told_apart_by_case_and_every_character(pool: Pool, db: Db) -> None:
    texts = ["k", "K", "k ", "é", "e\u0301", 'it\'s 100% \\ "{k}"', "x" * 255, "\U0001f98a"]
    ids = [one(pool, text) for text in texts]
    assert holders(db) == dict(zip(texts, ids, strict=True))
    assert [one(pool, text) for text in texts] == ids


def test_jobs_with_and_without_keys_go_together_and_the_first_of_a_key_holds_it(pool: Pool, db: Db) -> None:
    held = one(pool, "held")
    asked = [new("a"), new(None), new("held"), new("a"), new(None), new("b")]
    given = put(pool, *asked)
    assert given == [asked[0].id, asked[1].id, held, asked[0].id, asked[4].id, asked[5].id]
    assert stored(db) == sorted({*given})
    assert holders(db) == {"held": held, "a": asked[0].id, "b": asked[5].id}


def test_a_job_without_a_key_is_stored_alike_by_both_statements(pool: Pool, db: Db) -> None:
    fields: dict[str, Any] = {
        "queue": "vip", "task": "t", "args": "[1]", "kwargs": '{"a": 2}', "priority": 3, "max_attempts": 1,
        "timeout": 4.5, "keep_result": True, "headers": {"h": 1}, "expires_in": 60.0, "root_id": IDS.make(),
        "parent_id": IDS.make(), "replay_of": IDS.make(),
    }  # fmt: skip
    for delay in (None, 60.0):
        pool.run(jobs.enqueue([new(None, delay=delay, **fields)]))
        put(pool, new(None, delay=delay, **fields), new("k"))
    row = """to_jsonb(j) - array['id', 'created_at', 'run_at', 'expires_at'] || jsonb_build_object(
      'wait', round(extract(epoch from j.run_at - j.created_at), 3),
      'left', round(extract(epoch from j.expires_at - j.created_at), 3),
      'ready', (select to_jsonb(r) - array['job_id', 'run_at'] from pgflow.ready as r where r.job_id = j.id),
      'later', (select to_jsonb(s) - array['job_id', 'run_at'] from pgflow.scheduled as s where s.job_id = j.id))"""
    counts = db.execute(f"select {row}, count(*) from pgflow.jobs as j where task = 't' and queue = 'vip' group by 1")
    assert [count for _, count in counts.fetchall()] == [2, 2]


def test_an_id_mended_for_a_wrong_clock_holds_its_key(pool: Pool, db: Db) -> None:
    old = new(id="00000000-0001-7cc0-8a3f-3d2f6f1f9b10")
    given = put(pool, old)[0]
    assert given != old.id
    assert keys.is_stored(old, given)
    assert not keys.is_stored(new(), given)
    assert holders(db) == {"k": given}


def test_an_enqueue_repeated_after_a_lost_answer_takes_no_key_for_a_job_that_has_ended(pool: Pool, db: Db) -> None:
    job = new()
    assert put(pool, job) == put(pool, job) == [job.id]
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.SUCCEEDED)
    assert put(pool, job) == [job.id]
    other = one(pool)
    assert put(pool, job) == [job.id]
    assert holders(db) == {"k": other}


# What frees a key


@pytest.mark.parametrize("kind", [OutcomeKind.SUCCEEDED, OutcomeKind.DEAD, OutcomeKind.CANCELLED, OutcomeKind.EXPIRED])
def test_a_final_outcome_frees_the_key(pool: Pool, db: Db, kind: OutcomeKind) -> None:
    first = one(pool)
    other = one(pool, "other")
    moving.finish(pool, moving.claim(pool)[0], kind, spent=1, reason_code="NON_RETRYABLE")
    assert holders(db) == {"other": other}
    assert one(pool) != first


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.SNOOZED, OutcomeKind.RELEASED])
def test_an_outcome_that_comes_back_keeps_the_key(pool: Pool, kind: OutcomeKind) -> None:
    first = one(pool)
    moving.finish(pool, moving.claim(pool)[0], kind, delay=60.0)
    assert one(pool) == first


def test_a_lost_job_keeps_its_key_until_it_dies_of_crashes(pool: Pool, db: Db) -> None:
    lost = one(pool, "lost")
    moving.claim(pool)
    moving.lapse(pool)
    assert one(pool, "lost") == lost
    dying = one(pool, "dying", max_attempts=1)
    moving.claim(pool)
    moving.lapse(pool)
    assert pool.run(look.job(dying)).state is State.DEAD
    assert holders(db) == {"lost": lost}


def test_cancelling_frees_the_key_where_a_job_waits_where_it_runs_and_where_it_was_lost(pool: Pool, db: Db) -> None:
    def cancel(job_id: str) -> str:
        return pool.together(lambda run: act.cancel(run, job_id)).result

    assert cancel(one(pool, "ready")) == cancel(one(pool, "scheduled", delay=60.0)) == "cancelled"
    running = one(pool, "running")
    claimed = moving.claim(pool)[0]
    assert cancel(running) == "asked"
    assert holders(db) == {"running": running}
    moving.finish(pool, claimed, OutcomeKind.FAILED, spent=1, delay=0.0)
    lost = one(pool, "lost")
    moving.claim(pool)
    assert cancel(lost) == "asked"
    moving.lapse(pool)
    assert holders(db) == {}


def test_a_dropped_outcome_frees_nothing(pool: Pool) -> None:
    first = one(pool)
    claimed = moving.claim(pool)[0]
    moving.lapse(pool)
    now = time.monotonic()
    late = Outcome(claimed, OutcomeKind.SUCCEEDED, now, now, 0)
    assert pool.run(jobs.finish([late], [], now)) == {(first, 1)}
    assert one(pool) == first


def test_forgetting_all_jobs_forgets_their_keys(pool: Pool, db: Db) -> None:
    one(pool)
    pool.run(act.reset())
    assert holders(db) == {}


# Dead letters


def test_a_dead_job_retried_takes_its_key_again(pool: Pool, db: Db) -> None:
    dead = moving.die(pool, unique_key=None)
    job_id = one(pool)
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.DEAD, spent=1, reason_code="NON_RETRYABLE")
    assert holders(db) == {}
    changes = pool.together(lambda run: act.retry_many(run, [job_id, dead]))
    assert [change.result for change in changes] == ["retried", "retried"]
    assert holders(db) == {"k": job_id}
    assert one(pool) == job_id


def test_a_dead_job_whose_key_another_holds_stays_dead_when_it_is_retried(pool: Pool, db: Db) -> None:
    dead = one(pool)
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.DEAD, spent=1, reason_code="NON_RETRYABLE")
    holder = one(pool)
    with pytest.raises(JobStateError, match="is dead"):
        pool.together(lambda run: act.retry(run, dead))
    letter = pool.run(look.dead_letter(dead))
    assert letter is not None
    assert letter.is_open
    assert holders(db) == {"k": holder}


def test_of_two_dead_jobs_of_a_key_one_is_retried(pool: Pool, db: Db) -> None:
    both = []
    for _ in range(2):
        both.append(one(pool))
        moving.finish(pool, moving.claim(pool)[0], OutcomeKind.DEAD, spent=1, reason_code="NON_RETRYABLE")
    changes = pool.together(lambda run: act.retry_many(run, both))
    assert [change.result for change in changes] == ["retried", "refused"]
    assert holders(db) == {"k": both[0]}


def test_a_replay_carries_no_key(pool: Pool, db: Db) -> None:
    done = one(pool)
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.SUCCEEDED)
    source = pool.run(act.source(done))
    pool.together(lambda run: act.replay(run, source.new_job(IDS.make())))
    assert holders(db) == {}


# At the same time


def test_many_who_enqueue_one_key_at_once_store_one_job(
    pool_of: Callable[[str], Pool], migrated_url: str, db: Db
) -> None:
    pools = [pool_of(migrated_url) for _ in range(4)]
    for turn in range(5):
        start = threading.Barrier(len(pools))

        def race(pool: Pool, start: threading.Barrier = start, key: str = f"k{turn}") -> str:
            start.wait(10)
            return keys.enqueue(pool.run, [new(key)])[0]

        with ThreadPoolExecutor(len(pools)) as threads:
            assert len(set(threads.map(race, pools))) == 1
    assert len(stored(db)) == 5


@pytest.mark.parametrize("commits", [True, False])
def test_who_comes_second_waits_for_the_first_ones_commit_and_takes_the_key_after_a_rollback(
    pool: Pool, migrated_url: str, db: Db, *, commits: bool
) -> None:
    mine = new()
    with psycopg.connect(migrated_url) as conn, ThreadPoolExecutor(1) as threads:
        [first] = put_on(conn, new())
        second = threads.submit(keys.enqueue, pool.run, [mine])
        until_one_waits(db)
        conn.commit() if commits else conn.rollback()
        assert second.result(10) == [first if commits else mine.id]
    assert stored(db) == [first if commits else mine.id]


def test_a_rolled_back_enqueue_leaves_the_key_free(pool: Pool, migrated_url: str) -> None:
    with psycopg.connect(migrated_url) as conn:
        put_on(conn, new(), new("other"))
        conn.rollback()
    asked = new()
    assert put(pool, asked) == [asked.id]


def test_a_callers_open_transaction_never_keeps_the_holder_from_ending(pool: Pool, migrated_url: str, db: Db) -> None:
    with (
        psycopg.connect(migrated_url) as first,
        psycopg.connect(migrated_url) as second,
        ThreadPoolExecutor(1) as threads,
    ):
        [holder] = put_on(first, new())
        raced = threads.submit(put_on, second, new())
        until_one_waits(db)
        first.commit()
        assert raced.result(10) == put_on(first, new()) == [holder]
        # both transactions are open now: one has lost a race for the key, the other has looked at it
        claimed = moving.claim(pool)[0]
        threads.submit(moving.finish, pool, claimed, OutcomeKind.SUCCEEDED).result(10)
        assert holders(db) == {}


def test_a_flush_deletes_its_keys_by_their_index(pool: Pool, db: Db) -> None:
    put(pool, *[new(f"k{n}") for n in range(300)])
    db.execute("analyze pgflow.unique_keys")
    claimed = moving.claim(pool, 3)
    now = time.monotonic()
    outcomes = [Outcome(job, OutcomeKind.SUCCEEDED, now, now, 0) for job in claimed]
    lines = plan(db, jobs.finish(outcomes, [claimed[0].lease_id], now))
    assert "Index Scan using unique_keys_job on unique_keys" in "\n".join(lines)


def test_an_enqueue_under_a_key_looks_keys_and_jobs_up_by_their_indexes(pool: Pool, db: Db) -> None:
    put(pool, *[new(f"k{n}") for n in range(2_000)])
    payload = jobs.enqueue_payload([new("k7"), new("other")], ring=True)
    rows = db.execute("explain (costs off) " + keys.ENQUEUE.text, {"jobs": payload}).fetchall()
    lines = "\n".join(row[0] for row in rows)
    assert "Index Scan using unique_keys_pkey on unique_keys" in lines
    assert "Scan using jobs_default_pkey on jobs_default" in lines
    assert "Seq Scan on jobs" not in lines
