"""The store's rules whose breach no other test would notice: who waits for whom, and what is on disk and counted."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from psycopg.conninfo import make_conninfo

from chaos.flushes import locks_leases_in_order, waits_for_a_lease
from chaos.sessions import Db, another, wait_for_waiting
from moves import IDS, claim, count, dead, ended, finish, flushed, hasten, lapse, put, states
from pgflow.model import NewJob
from pgflow.store import buckets, claims, plans
from pgflow.store import jobs as sql
from pgflow.store.admin import act
from pgflow.store.pool import Pool
from pgflow.store.statement import Query, Statement, first_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pgflow.model import Claimed

ON_DISK = """
create table kept (what text, mode text);
create function note_mode() returns trigger language plpgsql as
  $$ begin insert into kept values (tg_argv[0], current_setting('synchronous_commit')); return null; end $$;
create trigger note after insert on pgflow.ready for each row execute function note_mode('enqueue');
create trigger note after insert on pgflow.dead_letters for each row execute function note_mode('finish');
create trigger note after insert on pgflow.stats for each row when (new.outcome = 'succeeded')
  execute function note_mode('succeed')"""


def lock_waits(db: Db) -> bool:
    """Say whether anyone in this database waits for a lock on a table."""
    here = "database = (select oid from pg_database where datname = current_database())"
    return db.execute(f"select 1 from pg_locks where not granted and {here}").fetchone() is not None


@pytest.fixture
def hasty(migrated_url: str) -> Iterator[Pool]:
    """A store whose statements end rather than wait for a lock for long."""
    pool = Pool(make_conninfo(migrated_url, options="-c lock_timeout=2000"))
    yield pool
    pool.close()


def test_a_reaper_that_waited_behind_an_outcome_puts_nothing_back(pool: Pool, db: Db, migrated_url: str) -> None:
    [job_id] = put(pool)
    claim(pool)
    lapse(db)
    with ThreadPoolExecutor(1) as threads, another(migrated_url) as winner:
        winner.execute(
            "insert into pgflow.attempts (job_id, attempt, outcome, finished_at) values (%s, 1, 'succeeded', now())",
            [job_id],
        )
        reaping = threads.submit(pool.run, sql.reap())
        wait_for_waiting(db)
        winner.commit()
        assert reaping.result(10) == []
    assert states(db)[job_id] == "succeeded"
    assert count(db, "scheduled") == 0


def test_a_claim_passes_by_what_another_claim_has_in_hand(hasty: Pool, migrated_url: str) -> None:
    ids = put(hasty, 3)
    with another(migrated_url) as other:
        other.execute("select from pgflow.ready where job_id = %s for update", [ids[0]])
        assert [job.job_id for job in claim(hasty)] == ids[1:]


def test_a_claim_passes_by_what_another_has_taken_since_it_began(hasty: Pool, migrated_url: str) -> None:
    ids = put(hasty, 3)
    late = claims.claim("default", "late", claims.new_lease_id(), [], 3, 30.0, mark=claims.HEAD, suspects=False)
    with another(migrated_url) as claiming, another(migrated_url) as other:
        # its snapshot, as a claim's own would be that is held up before it reads
        claiming.execute("set transaction isolation level repeatable read")
        claiming.execute("set local lock_timeout = '2s'")
        claiming.execute("select from pgflow.ready")
        other.execute("select from pgflow.ready where job_id = %s for update", [ids[0]])
        rows = claiming.execute(late.query.text, late.params).fetchall()
        assert [job.job_id for job in late.read(rows).jobs] == ids[1:]


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_claim_takes_what_another_hand_had_and_let_go(end: str, hasty: Pool, migrated_url: str) -> None:
    ids = put(hasty, 3)
    with another(migrated_url) as other:
        other.execute("select from pgflow.ready for update")
        other.execute(end)
    assert [job.job_id for job in claim(hasty)] == ids


def test_a_promotion_passes_by_what_another_hand_has_locked(hasty: Pool, db: Db, migrated_url: str) -> None:
    ids = put(hasty, 3, delay=60.0)
    hasten(db)
    with another(migrated_url) as other:
        other.execute("select from pgflow.scheduled where job_id = %s for update", [ids[0]])
        assert hasty.run(sql.promote())[0] == 2
    assert hasty.run(sql.promote())[0] == 1


def test_a_flush_waits_for_a_lease_before_it_writes_anything(pool: Pool, db: Db, migrated_url: str) -> None:
    waits_for_a_lease(pool, db, migrated_url, finish)


def test_a_flush_locks_its_leases_in_order_of_their_ids(pool: Pool, db: Db, migrated_url: str) -> None:
    def finished(pool: Pool, jobs: Sequence[Claimed]) -> set[tuple[str, int]]:
        return finish(pool, [ended(job) for job in jobs])

    assert locks_leases_in_order(pool, db, migrated_url, finished) == set()


def test_a_heartbeat_extends_no_lease_of_another_worker(pool: Pool, db: Db) -> None:
    put(pool)
    [job] = claim(pool, worker="w2")
    before = db.execute("select expires_at from pgflow.leases").fetchall()
    pool.run(sql.extend_leases("w1", [job.lease_id], 3600))
    assert db.execute("select expires_at from pgflow.leases").fetchall() == before
    assert pool.run(sql.standing_leases("w1", [job.lease_id])) == {}


def test_a_job_whose_enqueue_commits_while_a_removal_waits_is_put_back(pool: Pool, db: Db, migrated_url: str) -> None:
    buckets.ensure(pool, "day")
    today = buckets.name_of("day", datetime.now(UTC))
    removed = None
    while removed is None:  # it waits for 100 ms only, which a busy machine may miss
        with ThreadPoolExecutor(1) as threads, another(migrated_url) as caller:
            payload = sql.enqueue_payload([NewJob(id=IDS.make(), queue="default", task="t")], ring=True)
            [(job_id,)] = caller.execute(sql.ENQUEUE.text, {"jobs": payload}).fetchall()
            removing = threads.submit(buckets.remove, pool, today)
            while not removing.done() and not lock_waits(db):
                pass
            caller.commit()
            removed = removing.result(10)
    assert job_id in states(db)
    assert removed == len(states(db))


def test_outcomes_and_jobs_are_on_disk_before_they_are_acknowledged(pool: Pool, db: Db) -> None:
    db.execute(ON_DISK)
    put(pool, 2)
    first, second = claim(pool)
    finish(pool, [dead(first)], over=False)
    flushed(pool, [ended(second)], [])
    kept = db.execute("select distinct what, mode from kept order by what").fetchall()
    assert kept == [("enqueue", "on"), ("finish", "on"), ("succeed", "on")]


def test_statistics_are_a_recount_of_the_attempts_that_were_stored(pool: Pool, db: Db) -> None:
    put(pool, 3)
    jobs = claim(pool)
    finish(pool, [ended(jobs[0])], over=False)
    assert finish(pool, [dead(jobs[0])], over=False) == {(jobs[0].job_id, 1)}
    lapse(db)
    pool.run(sql.reap())
    finish(pool, [dead(job) for job in jobs])
    counted = db.execute("select outcome::text, sum(count)::integer from pgflow.stats group by 1").fetchall()
    assert dict(counted) == {"succeeded": 1, "lost": 2}


def test_what_is_not_due_is_not_promoted(pool: Pool, db: Db) -> None:
    put(pool, 2, delay=60.0)
    assert pool.run(sql.promote())[0] == 0
    assert (count(db, "ready"), count(db, "scheduled")) == (0, 2)


def test_a_wish_to_cancel_that_came_too_late_ends_with_its_job(pool: Pool, db: Db) -> None:
    put(pool, 2)
    jobs = claim(pool)
    for job in jobs:
        db.execute("insert into pgflow.cancellations (job_id) values (%s)", [job.job_id])
    finish(pool, [dead(jobs[0]), ended(jobs[1])])
    assert count(db, "cancellations") == 0
    act.retry(pool.run, jobs[0].job_id)
    assert [job.cancelled for job in claim(pool)] == [False]


def test_the_store_reads_committed_whatever_the_database_prefers(
    db: Db, migrated_url: str, pool_of: Callable[[str], Pool]
) -> None:
    name = db.info.dbname
    db.execute(f"alter database {name} set default_transaction_isolation = 'repeatable read'")
    pool = pool_of(migrated_url)
    for settings in ({}, plans.BY_INDEX):
        query = Query("isolation", "select current_setting('transaction_isolation')", settings)
        assert pool.run(Statement(query, {}, first_column)) == ["read committed"]
        assert pool.together(lambda run, query=query: run(Statement(query, {}, first_column))) == ["read committed"]


def test_what_a_statement_sets_ends_with_its_transaction(migrated_url: str) -> None:
    pool = Pool(migrated_url, size=1)
    try:
        put(pool)
        claim(pool)
        query = Query("settings", "select current_setting(s) from unnest(%(names)s::text[]) as s")
        names = ["plan_cache_mode", "enable_seqscan", "enable_hashjoin", "synchronous_commit"]
        assert pool.run(Statement(query, {"names": names}, first_column)) == ["auto", "on", "on", "on"]
    finally:
        pool.close()
