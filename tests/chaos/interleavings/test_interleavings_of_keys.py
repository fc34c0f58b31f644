"""Two in each other's way who want something stored once: one is uncommitted while the other asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chaos.meetings import finishing
from chaos.sessions import Db, meet
from moves import IDS, claim, count, ended, finish, put, states
from moves import dead as died
from pgflow.model import NewJob
from pgflow.store import jobs as sql
from pgflow.store import keys
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.store.pool import Pool


def job(**fields: Any) -> NewJob:
    return NewJob(id=IDS.make(), queue="default", task="t", **fields)


def keyed(key: str = "k") -> Callable[[Any], list[str]]:
    new_job = job(unique_key=key)
    return lambda run: keys.enqueue(run, [new_job])


def retrying(job_id: str) -> Callable[[Any], str]:
    return lambda run: act.retry_many(run, [job_id])[0].result


def holder(db: Db) -> list[str]:
    return [str(row[0]) for row in db.execute("select job_id from pgflow.unique_keys")]


def test_an_enqueue_asked_again_while_the_first_is_under_way_is_stored_once(pool: Pool, db: Db, commit: bool) -> None:
    asked = sql.enqueue([job()])
    met = meet(pool, asked, asked, commit=commit)
    assert (met.first, met.waited) == (met.second, True)
    assert states(db) == dict.fromkeys(met.first, "queued")
    assert count(db, "ready") == 1


def test_of_two_jobs_with_one_key_one_is_stored(pool: Pool, db: Db, commit: bool) -> None:
    met = meet(pool, keyed(), keyed(), commit=commit)
    assert met.waited
    assert (met.second == met.first) == commit
    assert states(db) == dict.fromkeys(met.second, "queued")
    assert holder(db) == met.second


def test_an_enqueue_does_not_wait_for_the_end_of_the_job_that_holds_its_key(pool: Pool, db: Db, commit: bool) -> None:
    held = pool.together(keyed())
    [job] = claim(pool)
    met = meet(pool, finishing(ended(job)), keyed(), commit=commit)
    assert (met.second, met.waited) == (held, False)
    assert states(db) == dict.fromkeys(held, "succeeded" if commit else "running")
    assert holder(db) == ([] if commit else held)
    assert (pool.together(keyed()) == held) == (not commit)


def test_a_job_ends_while_an_enqueue_that_met_its_key_is_open(pool: Pool, db: Db, commit: bool) -> None:
    held = pool.together(keyed())
    [job] = claim(pool)
    met = meet(pool, keyed(), finishing(ended(job)), commit=commit)
    assert (met.first, met.second, met.waited) == (held, set(), False)
    assert states(db) == dict.fromkeys(held, "succeeded")
    assert holder(db) == []


def one_dead_with_a_key(pool: Pool) -> str:
    [job_id] = pool.together(keyed())
    [job] = claim(pool)
    finish(pool, [died(job)])
    return job_id


def test_an_enqueue_waits_for_a_retry_that_takes_its_key(pool: Pool, db: Db, commit: bool) -> None:
    dead = one_dead_with_a_key(pool)
    met = meet(pool, retrying(dead), keyed(), commit=commit)
    assert (met.first, met.waited) == ("retried", True)
    assert (met.second == [dead]) == commit
    assert holder(db) == met.second
    assert states(db)[dead] == ("queued" if commit else "dead")
    assert count(db, "jobs") == (1 if commit else 2)


def test_a_retry_waits_for_an_enqueue_that_takes_its_key(pool: Pool, db: Db, commit: bool) -> None:
    dead = one_dead_with_a_key(pool)
    met = meet(pool, keyed(), retrying(dead), commit=commit)
    assert (met.second, met.waited) == ("refused" if commit else "retried", True)
    assert holder(db) == (met.first if commit else [dead])
    assert (states(db)[dead], count(db, "dead_letters")) == ("dead" if commit else "queued", int(commit))


def test_a_retry_waits_for_the_end_of_the_job_that_holds_its_key(pool: Pool, db: Db, commit: bool) -> None:
    dead = one_dead_with_a_key(pool)
    [other] = pool.together(keyed())
    [job] = claim(pool)
    met = meet(pool, finishing(ended(job)), retrying(dead), commit=commit)
    assert (met.second, met.waited) == ("retried" if commit else "refused", True)
    assert holder(db) == [dead if commit else other]
    assert states(db) == {dead: "queued" if commit else "dead", other: "succeeded" if commit else "running"}


def test_of_two_dead_jobs_with_one_key_one_is_retried(pool: Pool, db: Db, commit: bool) -> None:
    one, two = one_dead_with_a_key(pool), one_dead_with_a_key(pool)
    met = meet(pool, retrying(one), retrying(two), commit=commit)
    assert (met.first, met.second, met.waited) == ("retried", "refused" if commit else "retried", True)
    assert holder(db) == [one if commit else two]
    assert sorted(map(str, states(db).values())) == ["dead", "queued"]


def test_of_two_requests_with_one_key_one_stores_its_job(pool: Pool, db: Db, commit: bool) -> None:
    one, two = job(), job()
    met = meet(
        pool,
        lambda run: keys.enqueue_once(run, one, "key", "hash"),
        lambda run: keys.enqueue_once(run, two, "key", "hash"),
        commit=commit,
    )
    assert (met.first, met.waited) == ((one.id, True), True)
    assert met.second == ((one.id, False) if commit else (two.id, True))
    assert states(db) == {(one if commit else two).id: "queued"}


def test_an_enqueue_that_is_not_committed_is_claimed_by_nobody(pool: Pool, db: Db, commit: bool) -> None:
    put(pool)
    assert len(claim(pool)) == 1
    met = meet(pool, keyed(), lambda: claim(pool), commit=commit)
    assert (met.second, met.waited) == ([], False)
    assert [job.job_id for job in claim(pool)] == (met.first if commit else [])
