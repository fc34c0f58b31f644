"""The rules of enqueues whose breach no other test would notice: clocks, commits, callers' transactions and bells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moves import claim, count, ended, finish, put, states
from pgflow import App, DatabaseUnavailableError
from pgflow.store import jobs as sql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]
WORKER = """
insert into pgflow.workers (id, host, pid, version, backend, queues, tasks, slots, running, stopping, long_running,
  started_at, beat_at, busy_until)
values ('w1', 'h', 1, '0', 'asyncio', '{default}', '{}', 1, 0, false, '[]', now(), now(), now() + interval '1 min')"""


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    """An app on the test's database."""
    app = App("tests", dsn=migrated_url, dataset_bucket="none")
    yield app
    app.close()


def test_leases_and_delays_go_by_the_databases_clock(pool: Pool, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    for error in (-7200, 7200):
        monkeypatch.setattr(time, "time", lambda error=error: right() + error)
        put(pool, 1, delay=60.0)
        put(pool, 1)
        [job] = claim(pool, seconds=30)
        [(ahead,)] = db.execute("select extract(epoch from run_at - clock_timestamp())::float8 from pgflow.scheduled")
        assert 30 < ahead <= 60
        [(ahead,)] = db.execute("select extract(epoch from expires_at - clock_timestamp())::float8 from pgflow.leases")
        assert 0 < ahead <= 30
        assert pool.run(sql.reap()) == []
        finish(pool, [ended(job)])
        db.execute("delete from pgflow.scheduled")


def test_an_enqueue_whose_commit_fails_gives_no_id(app: App, db: Db) -> None:
    @app.task
    def never() -> None: ...

    # what is deferred runs between the statement and the end of its commit
    db.execute("""
        create function refuse() returns trigger language plpgsql as
          $$ begin raise 'no commit' using errcode = '57014'; end $$;
        create constraint trigger refuse after insert on pgflow.ready deferrable initially deferred
          for each row execute function refuse()""")
    with pytest.raises(DatabaseUnavailableError):
        never.enqueue()
    with pytest.raises(DatabaseUnavailableError):
        never.enqueue_many([((), {})] * 3)
    assert count(db, "jobs") == 0


def test_an_enqueue_on_a_callers_connection_goes_with_its_rollback(app: App, db: Db, migrated_url: str) -> None:
    @app.task
    def ride() -> None: ...

    with psycopg.connect(migrated_url) as conn:
        gone = ride.options(conn=conn).enqueue()
        assert conn.execute("select count(*) from pgflow.ready").fetchone() == (1,)
        assert count(db, "ready") == 0
        conn.rollback()
        kept = ride.options(conn=conn).enqueue()
        conn.commit()
    assert gone.id not in states(db)
    assert states(db) == {kept.id: "queued"}


@pytest.mark.anyio
async def test_an_async_enqueue_on_a_callers_connection_goes_with_its_rollback(
    app: App, db: Db, migrated_url: str, anyio_backend_name: str
) -> None:
    if anyio_backend_name == "trio":
        pytest.skip("psycopg's async connections are of asyncio")

    @app.task
    async def ride() -> None: ...

    async with await psycopg.AsyncConnection.connect(migrated_url) as conn:
        await ride.options(conn=conn).aenqueue()
        await conn.rollback()
        kept = await ride.options(conn=conn).aenqueue()
        await conn.commit()
    assert states(db) == {kept.id: "queued"}


def test_an_enqueue_on_a_callers_connection_rings_whatever_was_promised(app: App, db: Db, migrated_url: str) -> None:
    db.execute(WORKER)
    with psycopg.connect(migrated_url, autocommit=True) as ear, psycopg.connect(migrated_url) as conn:
        ear.execute("listen pgflow")
        app.enqueue("t")
        assert list(ear.notifies(timeout=0)) == []
        app.enqueue("t", conn=conn)
        conn.commit()
        assert [note.payload for note in ear.notifies(timeout=5, stop_after=1)] == ["default"]
