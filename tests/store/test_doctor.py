"""The doctor: a healthy database has no finding, and every harm done to one has its own, with a remedy."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import moving
import psycopg
import pytest

from pgflow.model import OutcomeKind
from pgflow.store import buckets
from pgflow.store.admin import act, doctor
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    from pgflow.views import Check


TWICE = """insert into pgflow.scheduled
  select run_at, job_id, queue, rank, attempt, spent, false, false from pgflow.ready"""
SILENT = """insert into pgflow.workers values ('gone', now(), now() - interval '1 h', null, 1, 5, 2, false, 'h', '1',
  'asyncio', '{}', '{}', '[]')"""


def wrong(pool: Pool) -> dict[str, Check]:
    found = {check.name: check for check in doctor.examine(pool)}
    assert all(bool(check.remedy) != check.ok for check in found.values())
    return {name: check for name, check in found.items() if not check.ok}


def lively(pool: Pool) -> None:
    """Jobs in every state."""
    moving.succeed(pool)
    moving.fail(pool)
    moving.die(pool)
    moving.one(pool, delay=60.0)
    cancelled = moving.one(pool)
    pool.together(lambda run: act.cancel(run, cancelled))
    retried = moving.die(pool)
    pool.together(lambda run: act.retry(run, retried))
    moving.enqueue(pool, 3)
    moving.claim(pool, 2)


def test_a_healthy_database_has_no_finding(pool: Pool, db: psycopg.Connection[Any]) -> None:
    lively(pool)
    db.execute("""insert into pgflow.workers values ('w1', now(), now(), null, 1, 5, 2, false, 'h', '1', 'asyncio',
      '{q}', '{t}', '[]')""")
    assert wrong(pool) == {}


@pytest.mark.parametrize(
    ("harm", "name"),
    [
        ("delete from pgflow.ready", "places"),
        (TWICE, "places"),
        ("update pgflow.ready set rank = 7", "keys"),
        ("update pgflow.ready set run_at = run_at - interval '1 s'", "keys"),
        ("update pgflow.attempts set attempt = attempt + 100", "numbers"),
        ("insert into pgflow.ready values ('q', 0, now(), gen_random_uuid(), 1, 0, false, false)", "entries"),
        ("update pgflow.attempts set outcome = 'succeeded' where outcome = 'dead'", "dead letters"),
        ("update pgflow.leases set expires_at = now() - interval '1 min'", "leases"),
        (SILENT, "workers"),
        ("select", "queues"),
    ],
)  # fmt: skip
def test_every_harm_has_its_finding(pool: Pool, db: psycopg.Connection[Any], harm: str, name: str) -> None:
    lively(pool)
    db.execute(harm)
    assert name in wrong(pool)


def test_buckets_that_have_run_out_are_a_finding(pool: Pool) -> None:
    for bucket in pool.run(buckets.listing()):
        if bucket.starts_at is not None:
            buckets.remove(pool, bucket.name)
    assert wrong(pool) == {}
    assert buckets.ensure(pool, "hour", (span := buckets.span("20260101_00")) and span[0])
    assert set(wrong(pool)) == {"buckets"}


def test_an_old_transaction_is_a_finding_that_names_it(
    pool: Pool, migrated_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(migrated_url, application_name="report") as conn:
        conn.execute("select 1")
        assert "transactions" not in wrong(pool)
        monkeypatch.setattr(doctor, "OLD_TRANSACTION_SECONDS", 0.0)
        assert "(report)" in wrong(pool)["transactions"].detail


def test_a_database_without_the_schema_is_told_to_migrate(database_url: str) -> None:
    pool = Pool(database_url)
    assert wrong(pool)["schema"].remedy == "run `pgflow migrate`"
    pool.close()


def test_jobs_at_work_are_no_finding(pool: Pool) -> None:
    moving.enqueue(pool, 200)
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set() and (claimed := moving.claim(pool)):
            moving.finish(pool, claimed[0], OutcomeKind.SUCCEEDED)

    worker = threading.Thread(target=work)
    worker.start()
    try:
        while worker.is_alive():
            assert not wrong(pool).keys() & {"places", "keys", "numbers", "entries", "leases"}
    finally:
        stop.set()
        worker.join(20)
