# ruff: noqa: S106 - a token here names a job in the ledger and opens nothing
"""The checker: kept promises are no finding, and each broken one is found by its invariant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from chaos.checker import Snapshot, check, explained
from chaos.ledger import Ledger
from moves import IDS, claim, dead, ended, failed, finish, hasten, lapse, put
from pgflow import App, JobRejected
from pgflow.store import jobs as sql
from pgflow.store.admin import act
from workers import work

if TYPE_CHECKING:
    from pathlib import Path

    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]


@pytest.fixture
def ledger(tmp_path: Path) -> Any:
    with Ledger(tmp_path / "ledger") as made:
        yield made


def promised(pool: Pool, ledger: Ledger, token: str, **fields: Any) -> str:
    """Enqueue a job that carries a token, as a client does who keeps a ledger."""
    ledger.note("asked", token=token, queue="default")
    [job_id] = put(pool, headers={"token": token, **fields.pop("headers", {})}, **fields)
    ledger.note("enqueued", token=token, job_id=job_id)
    return job_id


def ran(pool: Pool, ledger: Ledger) -> None:
    """Run what can be claimed, each run with its first and its last word."""
    jobs = claim(pool)
    for job in jobs:
        assert job.headers
        run = {"token": job.headers["token"], "job_id": job.job_id, "attempt": job.attempt}
        ledger.note("began", worker="w1", **run)
        ledger.note("ended", **run)
    finish(pool, [ended(job) for job in jobs])


def settled(pool: Pool, ledger: Ledger) -> dict[str, str]:
    """Some promises of each kind, all kept; gives ids by token."""
    ids = {token: promised(pool, ledger, token) for token in ("one", "two", "three")}
    ran(pool, ledger)
    ids["dies"] = promised(pool, ledger, "dies")
    [job] = claim(pool)
    ledger.note("began", token="dies", job_id=job.job_id, attempt=1, worker="w1")
    finish(pool, [dead(job)])
    source = pool.run(act.source(ids["dies"]))
    new = pool.together(lambda run: act.replay(run, source.new_job(IDS.make())))
    ledger.note("replayed", old=ids["dies"], new=new)
    ran(pool, ledger)
    pool.together(lambda run: act.retry(run, ids["dies"]))
    ledger.note("retried", job_id=ids["dies"])
    ran(pool, ledger)
    ids["new"] = new
    ids["cancelled"] = promised(pool, ledger, "cancelled")
    pool.together(lambda run: act.cancel(run, ids["cancelled"]))
    ledger.note("cancelled", job_id=ids["cancelled"])
    for token in ("in doubt", "in doubt and there"):
        ledger.note("asked", token=token, queue="default")
        ledger.note("unanswered", token=token, error="OperationalError")
    put(pool, headers={"token": "in doubt and there"})
    ran(pool, ledger)
    ledger.note("asked", token="rolled back", queue="default")
    ledger.note("rolled_back", token="rolled back")
    ledger.note("asked", token="refused", queue="default")
    ledger.note("refused", token="refused", queue="default", reason_code="PAYLOAD_TOO_LARGE")
    pool.run(act.decide("ingest", "default", "rejected", "PAYLOAD_TOO_LARGE", task="tests.task"))
    return ids


def told(token: str, job: str = "cancelled") -> str:
    """Give a job another token."""
    return f"update pgflow.jobs set headers = json_build_object('token', '{token}') where id = '{{{job}}}'"


NOWHERE = "00000000-0000-7000-8000-000000000000"
BROKEN: list[tuple[str, str, str | dict[str, Any]]] = [
    ("I1", "not in the tables", {"what": "enqueued", "token": "never", "job_id": NOWHERE}),
    ("I1", "a job ran", {"what": "began", "token": "one", "job_id": NOWHERE, "attempt": 1}),
    ("I1", "a cancelled job", {"what": "cancelled", "job_id": NOWHERE}),
    ("I1", "there twice", told("two")),
    ("I2", "fate was unknown", told("in doubt and there")),
    ("I2", "nobody asked", told("stranger")),
    ("I3", "begun twice", {"what": "began", "job_id": "{one}", "attempt": 1, "worker": "w2", "token": "one"}),
    ("I7", "not that of its original", {"what": "replayed", "old": "{one}", "new": "{new}"}),
    ("I7", "retry is not on record", {"what": "retried", "job_id": "{one}"}),
    ("I8", "refused enqueue is in", told("refused")),
    ("I8", "refusals are not on record", "delete from pgflow.decisions"),
    ("I8", "refusals are not on record", {"what": "refused", "token": "x", "queue": "q", "reason_code": "NO"}),
    ("I11", "rolled back", told("rolled back")),
]


def test_kept_promises_are_no_finding(pool: Pool, db: Db, ledger: Ledger) -> None:
    settled(pool, ledger)
    found = check(pool.dsn, ledger.directory)
    assert not found, explained(found)


@pytest.mark.parametrize(("invariant", "words", "harm"), BROKEN, ids=[f"{i} {w}" for i, w, _ in BROKEN])
def test_a_broken_promise_is_found_by_its_invariant(
    pool: Pool, db: Db, ledger: Ledger, invariant: str, words: str, harm: str | dict[str, Any]
) -> None:
    ids = settled(pool, ledger)
    if isinstance(harm, str):
        db.execute(harm.format(**ids))
    else:
        fields = {k: v.format(**ids) if isinstance(v, str) else v for k, v in harm.items() if k != "what"}
        ledger.note(harm["what"], **fields)
    found = check(pool.dsn, ledger.directory)
    assert any(v.invariant == invariant and words in v.detail for v in found), explained(found)
    assert {v.invariant for v in found} == {invariant}, explained(found)


def test_a_lost_job_and_one_that_has_not_ended_are_found(pool: Pool, db: Db, ledger: Ledger) -> None:
    lost = promised(pool, ledger, "lost")
    assert [v.invariant for v in check(pool.dsn, ledger.directory)] == ["I1"]
    assert check(pool.dsn, ledger.directory, settled=False) == []
    db.execute("delete from pgflow.ready; delete from pgflow.jobs")
    found = check(pool.dsn, ledger.directory, settled=False)
    assert [(v.invariant, v.sample) for v in found] == [("I1", lost)]


def test_a_result_without_a_run_is_found(pool: Pool, ledger: Ledger) -> None:
    promised(pool, ledger, "silent")
    [job] = claim(pool)
    finish(pool, [ended(job)])
    [found] = check(pool.dsn, ledger.directory)
    assert (found.invariant, found.detail) == ("I12", "a run succeeded that never began")
    ledger.note("began", token="silent", job_id=job.job_id, attempt=1, worker="w1")
    [found] = check(pool.dsn, ledger.directory)
    assert found.detail == "a run succeeded that did not come to its end"
    ledger.note("ended", token="silent", job_id=job.job_id, attempt=1)
    assert check(pool.dsn, ledger.directory) == []


def test_a_claim_that_a_crashed_server_forgot_may_begin_an_attempt_twice(pool: Pool, ledger: Ledger) -> None:
    ids = settled(pool, ledger)
    ledger.note("began", token="one", job_id=ids["one"], attempt=1, worker="w2")
    assert [v.invariant for v in check(pool.dsn, ledger.directory)] == ["I3"]
    assert check(pool.dsn, ledger.directory, forgotten_claims=True) == []


def test_a_lapsed_run_that_ends_late_is_no_finding(pool: Pool, db: Db, ledger: Ledger) -> None:
    promised(pool, ledger, "slow")
    [job] = claim(pool)
    ledger.note("began", token="slow", job_id=job.job_id, attempt=1, worker="w1")
    lapse(db)
    pool.run(sql.reap())
    ledger.note("ended", token="slow", job_id=job.job_id, attempt=1)
    assert finish(pool, [ended(job)]) == {(job.job_id, 1)}
    hasten(db)
    pool.run(sql.promote())
    ran(pool, ledger)
    assert check(pool.dsn, ledger.directory) == []


def test_a_business_row_and_its_job_stand_and_fall_together(pool: Pool, db: Db, ledger: Ledger) -> None:
    db.execute("create schema shop; create table shop.orders (token text primary key)")
    for token in ("one", "two"):
        promised(pool, ledger, token, headers={"order": True})
        db.execute("insert into shop.orders values (%s)", [token])
    promised(pool, ledger, "no order")
    ran(pool, ledger)
    assert check(pool.dsn, ledger.directory, orders_table="shop.orders") == []
    db.execute("delete from shop.orders where token = 'one'; insert into shop.orders values ('other')")
    found = check(pool.dsn, ledger.directory, orders_table="shop.orders")
    assert [(v.invariant, v.detail, v.sample) for v in found] == [
        ("I11", "a business row has no job", "other"),
        ("I11", "a job has no business row", "one"),
    ]


def test_the_tables_are_audited_too_with_the_limits_that_are_given(pool: Pool, ledger: Ledger) -> None:
    for token in ("one", "two"):
        promised(pool, ledger, token)
    claim(pool)
    assert check(pool.dsn, None, settled=False) == []
    assert [v.invariant for v in check(pool.dsn, None, settled=False, limits={"default": 1})] == ["I10"]
    assert [v.invariant for v in check(pool.dsn, None, settled=False, rates={"default": 1})] == ["I10"]


# history


def test_history_that_only_grew_is_no_finding(pool: Pool, ledger: Ledger) -> None:
    ids = settled(pool, ledger)
    put(pool)
    [job] = claim(pool)
    finish(pool, [dead(job)])
    before = Snapshot.take(pool.dsn)
    pool.together(lambda run: act.retry(run, job.job_id))
    [again] = claim(pool)
    finish(pool, [failed(again)])
    source = pool.run(act.source(ids["one"]))
    pool.together(lambda run: act.replay(run, source.new_job(IDS.make())))
    after = Snapshot.take(pool.dsn)
    assert before.outgrown_by(after) == []
    assert len(after.rows["attempts"]) == len(before.rows["attempts"]) + 2


@pytest.mark.parametrize(
    ("harm", "detail"),
    [
        ("update pgflow.jobs set priority = 9 where id = '{dies}'", "rows of jobs were changed"),
        ("update pgflow.attempts set finished_at = now() where job_id = '{one}'", "rows of attempts were changed"),
        ("delete from pgflow.attempts where job_id = '{one}'", "rows of attempts are gone"),
        ("delete from pgflow.dead_letters", "rows of dead letters are gone"),
        ("update pgflow.dead_letters set reason_code = 'UNKNOWN_TASK'", "rows of dead letters were changed"),
        ("update pgflow.dead_letters set replayed_as = null", "a dead letter forgot its replay"),
        ("update pgflow.decisions set queue = 'other'", "rows of decisions were changed"),
    ],
)
def test_history_that_changed_is_found(pool: Pool, db: Db, ledger: Ledger, harm: str, detail: str) -> None:
    ids = settled(pool, ledger)
    put(pool, task="stays.dead")
    [job] = claim(pool)
    finish(pool, [dead(job)])
    source = pool.run(act.source(job.job_id))
    pool.together(lambda run: act.replay(run, source.new_job(IDS.make())))
    before = Snapshot.take(pool.dsn)
    db.execute("update pgflow.decisions set count = count + 1, last_at = clock_timestamp()")
    assert before.outgrown_by(Snapshot.take(pool.dsn)) == []
    db.execute(harm.format(**ids))
    found = before.outgrown_by(Snapshot.take(pool.dsn))
    assert {v.invariant for v in found} == {"I7"}
    assert [v.detail for v in found] == [detail]


# the whole, with workers and an app


@pytest.mark.anyio
async def test_what_an_app_and_its_workers_did_is_no_finding(migrated_url: str, ledger: Ledger) -> None:
    app = App("tests", dsn=migrated_url, dataset_bucket="none", max_payload_bytes=1_000, reap_interval_ms=200)

    @app.task(name="noted", bind=True, max_attempts=3, retry_backoff=0.01)
    async def noted(context: Any, ends: str) -> None:
        token = context.headers["token"]
        where = {"token": token, "job_id": context.job_id, "attempt": context.attempt}
        ledger.note("began", worker="w1", **where)
        if ends == "badly" or (ends == "well at last" and context.attempt == 1):
            raise RuntimeError(ends)
        ledger.note("ended", **where)

    try:
        for n in range(30):
            token, ends = f"t{n}", ("well", "badly", "well at last", "x" * 2_000)[n % 4]
            ledger.note("asked", token=token, queue="default")
            try:
                job = noted.options(headers={"token": token}).enqueue(ends)
            except JobRejected as refusal:
                ledger.note("refused", token=token, queue="default", reason_code=refusal.reason_code)
            else:
                ledger.note("enqueued", token=token, job_id=str(job.id))
        await work(app)
    finally:
        app.close()
    found = check(migrated_url, ledger.directory, reap_seconds=0.2)
    assert not found, explained(found)
