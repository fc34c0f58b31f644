"""The audit: a busy life is clean in every state of it, and every harm done to one is reported, and nothing else."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

import busy
import moving
import psycopg
import pytest

from aging import age
from chaos.sessions import wait_for_waiting
from moves import ended, finish
from pgflow.errors import DatabaseUnavailableError
from pgflow.model import OutcomeKind
from pgflow.store import buckets, forget
from pgflow.store.admin import act
from pgflow.store.admin.audit import DETAILS, Scope, Violation, audit

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]

HERE = Path(__file__).parent
DOCS = HERE.parents[1] / "docs"


def read_harms() -> list[Any]:
    """The harms of harms.sql: an invariant, a way to break it, and the statements that do."""
    found = []
    for part in (HERE / "harms.sql").read_text("utf-8").split("\n\n")[1:]:
        head, _, statements = part.partition("\n")
        invariant, kind = head.removeprefix("-- ").split(": ")
        found.append(pytest.param(invariant, kind, statements, id=f"{invariant} {kind}"))
    return found


HARMS = read_harms()


def kinds(found: list[Violation]) -> set[tuple[str, str]]:
    """The invariants that were broken, and how."""
    names = {(invariant, words): kind for invariant, of in DETAILS.items() for kind, words in of.items()}
    return {(v.invariant, names[v.invariant, v.detail]) for v in found}


@pytest.mark.parametrize(("invariant", "kind", "harm"), HARMS)
def test_every_harm_breaks_its_invariant_and_no_other(pool: Pool, db: Db, invariant: str, kind: str, harm: str) -> None:
    ids = busy.shown(pool, db)
    assert audit(pool) == []
    db.execute(harm.format(**{name: f"'{job_id}'::uuid" for name, job_id in ids.items()}))
    found = audit(pool)
    assert (invariant, kind) in kinds(found)
    assert {v.invariant for v in found} == {invariant}
    assert all(v.count >= 1 and v.sample for v in found)


def test_every_way_to_break_one_is_tried_and_told_on_its_page() -> None:
    elsewhere = {("I6", "overdue"), ("I10", "in flight"), ("I10", "rate")}
    tried = {(invariant, kind) for invariant, kind, _ in (harm.values for harm in HARMS)} | elsewhere
    assert tried == {(invariant, kind) for invariant, of in DETAILS.items() for kind in of}
    page = " ".join((DOCS / "how-to" / "audit.md").read_text("utf-8").split())
    assert [words for of in DETAILS.values() for words in of.values() if words not in page] == []


def test_a_busy_life_is_clean_all_along(pool: Pool, db: Db) -> None:
    life = busy.lived(pool, db)
    assert audit(pool) == []
    states = dict(db.execute("select state, count(*) from pgflow.job_state group by 1").fetchall())
    assert states.keys() == {
        "queued", "running", "retrying", "succeeded", "dead", "cancelled", "expired",
    }, states  # fmt: skip
    assert audit(pool, Scope(newest=10)) == []
    life.put("waits-for-long", delay=900)
    assert audit(pool) == []


def test_what_retention_took_is_not_missed(pool: Pool, db: Db) -> None:
    life = busy.Life(pool, db)
    for name in ("gone", "letter", "closed", "retries", "waits"):
        life.put(name)
    life.end("gone")
    life.die("letter", "NON_RETRYABLE")
    life.die("closed", "NON_RETRYABLE")
    life.act(act.discard, "closed")
    life.fail("retries", delay=900)
    age(db, 10)
    db.execute("update pgflow.migrations set applied_at = applied_at - interval '10 d'")
    [day] = db.execute("select to_char(min(created_at) at time zone 'UTC', 'YYYYMMDD') from pgflow.jobs").fetchone()
    assert buckets.ensure(pool, "day", (span := buckets.span(day)) and span[0])
    db.execute(
        "update pgflow.attempts set next_run_at = (select run_at from pgflow.scheduled) where outcome = 'failed'"
    )
    db.execute("update pgflow.jobs set run_at = (select run_at from pgflow.ready) where queue = 'waits'")
    assert audit(pool) == []
    assert buckets.remove(pool, day) == 3, "the open letter, the retry and what waits are put back"
    assert audit(pool) == []
    busy.lived(pool, db)
    assert forget.forget(pool, "stats", 86_400, goes_on=lambda: True)
    assert forget.forget(pool, "closed_letters", 86_400, goes_on=lambda: True) == 1
    assert audit(pool) == []
    db.execute("delete from pgflow.stats where task = 'ok'")
    db.execute("update pgflow.stats set bucket = bucket - interval '10 s' where task = 'late'")
    assert kinds(audit(pool)) == {("I9", "missing")}, "what was counted since is still recounted"


def test_a_lapsed_lease_is_overdue_once_it_could_have_been_reaped(pool: Pool, db: Db) -> None:
    moving.one(pool)
    moving.claim(pool)
    db.execute("update pgflow.leases set expires_at = now() - interval '1 s'")
    assert audit(pool, Scope(reap_seconds=1)) == []
    end = time.monotonic() + 20
    while not (found := audit(pool, Scope(reap_seconds=1))):
        assert time.monotonic() < end, "the lease is never overdue"
    assert kinds(found) == {("I6", "overdue")}


def run_beside(db: Db, count: int, seconds: float, apart: float = 0.0) -> None:
    """Let what has succeeded have run for some seconds, up to now, each so long after the one before."""
    db.execute(
        """update pgflow.attempts as a set started_at = now() - interval '1 h' + n * %(apart)s * interval '1 s',
          finished_at = now() - interval '1 h' + (n * %(apart)s + %(seconds)s) * interval '1 s'
        from (select job_id, row_number() over (order by job_id) as n from pgflow.attempts) as o
        where o.job_id = a.job_id""",
        {"apart": apart, "seconds": seconds},
    )
    assert db.execute("select count(*) from pgflow.attempts").fetchone() == (count,)


def test_a_limit_that_is_given_holds_for_all_that_ever_ran(pool: Pool, db: Db) -> None:
    for _ in range(4):
        moving.succeed(pool)
    run_beside(db, 4, seconds=1, apart=2)
    assert audit(pool, Scope(limits={"q": 1})) == []
    run_beside(db, 4, seconds=5, apart=2)
    assert audit(pool, Scope(limits={"q": 3})) == []
    assert kinds(audit(pool, Scope(limits={"q": 2}))) == {("I10", "in flight")}
    assert audit(pool, Scope(limits={"other": 1}, rates={"q": 4})) == []
    assert kinds(audit(pool, Scope(rates={"q": 3}))) == {("I10", "rate")}
    run_beside(db, 4, seconds=1, apart=20)
    assert audit(pool, Scope(rates={"q": 3})) == []


def test_what_is_leased_counts_as_in_flight(pool: Pool) -> None:
    moving.enqueue(pool, 3)
    moving.claim(pool, 2)
    moving.claim(pool, 1)
    assert audit(pool, Scope(limits={"q": 3})) == []
    assert kinds(audit(pool, Scope(limits={"q": 2}))) == {("I10", "in flight")}


HELD = """insert into pgflow.decisions (kind, queue, decision, reason_code, details, created_at, last_at) values
  ('policy', 'q', 'held', %(code)s, json_build_object(%(name)s::text, %(limit)s::integer),
   now() - interval '2 h', now())"""


@pytest.mark.parametrize(
    ("code", "name", "kind"),
    [
        ("IN_FLIGHT_EXCEEDED", "max_in_flight", "in flight"),
        ("ATTEMPT_RATE_EXCEEDED", "max_attempts_per_minute", "rate"),
    ],
)
def test_a_limit_of_the_queues_table_is_held_against_what_began_since_it_is_known_to_stand(
    pool: Pool, db: Db, code: str, name: str, kind: str
) -> None:
    for _ in range(4):
        moving.succeed(pool)
    run_beside(db, 4, seconds=5, apart=2)
    db.execute(f"insert into pgflow.queues (name, {name}) values ('q', 2)")
    assert audit(pool) == [], "nothing says since when it stands"
    db.execute(HELD, {"code": code, "name": name, "limit": 2})
    assert kinds(audit(pool)) == {("I10", kind)}
    db.execute(HELD, {"code": code, "name": name, "limit": 9})
    assert audit(pool) == [], "another stood meanwhile"


def test_jobs_at_work_are_no_finding(pool: Pool) -> None:
    moving.enqueue(pool, 300)

    def released(job: Any) -> Any:
        return ended(job, OutcomeKind.RELEASED, delay=0.0)

    stop = threading.Event()

    def work() -> None:
        while not stop.is_set() and (claimed := moving.claim(pool, 5)):
            finish(pool, [released(job) if job.attempt < 4 else ended(job) for job in claimed])

    worker = threading.Thread(target=work)
    worker.start()
    rounds = 0
    try:
        while worker.is_alive():
            assert audit(pool) == []
            rounds += 1
    finally:
        stop.set()
        worker.join(20)
    assert rounds > 1


def test_an_audit_that_takes_too_long_is_told_what_to_do(pool: Pool, db: Db, migrated_url: str) -> None:
    with psycopg.connect(migrated_url) as other:
        other.execute("lock table pgflow.attempts in access exclusive mode")
        with pytest.raises(DatabaseUnavailableError, match=r"the audit of I3 took longer than 0\.2 s.*--newest"):
            audit(pool, Scope(seconds=0.2))
    assert audit(pool) == []


def test_an_audit_sees_one_moment_changes_nothing_and_leaves_the_connection_as_it_was(pool: Pool, db: Db) -> None:
    def look(run: Any) -> Any:
        before = run(moving.jobs.left_to_do(["q"]))
        db.execute("insert into pgflow.ready values ('q', 0, now(), gen_random_uuid(), 1, 0, false, false)")
        return before, run(moving.jobs.left_to_do(["q"]))

    before, after = pool.snapshot(look, seconds=5)
    assert before == after
    with pytest.raises(DatabaseUnavailableError, match="read-only transaction"):
        pool.snapshot(lambda run: run(moving.jobs.leave("w1")), seconds=5)
    assert moving.one(pool)


def test_a_claim_that_waited_for_a_lock_leases_from_when_it_got_its_jobs(pool: Pool, db: Db, migrated_url: str) -> None:
    moving.one(pool)
    with psycopg.connect(migrated_url) as other, ThreadPoolExecutor(1) as threads:
        other.execute("lock table pgflow.jobs in access exclusive mode")
        claiming = threads.submit(moving.claim, pool)
        wait_for_waiting(db)
        let_go = db.execute("select clock_timestamp()").fetchone()
        other.commit()
        assert len(claiming.result(10)) == 1
    assert let_go is not None
    assert db.execute(
        "select claimed_at >= %s, expires_at - claimed_at >= interval '60 s' from pgflow.leases", let_go
    ).fetchone() == (True, True)
