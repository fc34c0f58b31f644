"""A migration under load holds nobody up for longer than a second, and is applied when it gets its locks."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgflow import App
from pgflow.errors import DatabaseUnavailableError
from pgflow.store import migrate

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

NOTE = migrate.Migration(1, "note", "alter table pgflow.jobs add column note text", plugin="notes")
BOTH = migrate.Migration(
    1, "both", "lock pgflow.queues; select pg_sleep(0.3); alter table pgflow.jobs add column note text", plugin="notes"
)
WAITING = "select 1 from pg_locks where not granted and relation = 'pgflow.jobs'::regclass"


def passed() -> None: ...


def columns(db: psycopg.Connection[Any]) -> int:
    query = "select count(*) from information_schema.columns where table_name = 'jobs' and column_name = 'note'"
    return int(db.execute(query).fetchall()[0][0])


def wait_for(db: psycopg.Connection[Any], query: str) -> None:
    end = time.monotonic() + 20
    while not db.execute(query).fetchall():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)


def test_enqueues_pass_a_migration_that_waits_for_a_reader(
    pool: Pool, migrated_url: str, db: psycopg.Connection[Any]
) -> None:
    app = App("passing", dsn=migrated_url)
    task = app.task(name="passed")(passed)
    task.enqueue()
    with psycopg.connect(migrated_url) as reader:
        reader.execute("select count(*) from pgflow.jobs")
        thread = threading.Thread(target=migrate.migrate, args=[pool, [NOTE]])
        thread.start()
        wait_for(db, WAITING)
        began = time.monotonic()
        for _ in range(3):
            task.enqueue()
        took = time.monotonic() - began
        assert columns(db) == 0
    thread.join(30)
    app.close()
    assert took < 10, "an enqueue waited for the reader"
    assert columns(db) == 1


def test_a_deadlock_with_the_work_is_tried_again(pool: Pool, migrated_url: str, db: psycopg.Connection[Any]) -> None:
    with psycopg.connect(migrated_url) as other:
        other.execute("set deadlock_timeout = '10s'")
        other.execute("select count(*) from pgflow.jobs")
        thread = threading.Thread(target=migrate.migrate, args=[pool, [BOTH]])
        thread.start()
        wait_for(db, WAITING)
        # it waits for this reader, and this reader for it
        other.execute("select count(*) from pgflow.queues")
    thread.join(30)
    assert columns(db) == 1


def test_one_that_gets_no_lock_in_a_minute_says_what_to_do(
    pool: Pool, migrated_url: str, db: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrate, "PATIENCE_SECONDS", 0)
    with psycopg.connect(migrated_url) as reader:
        reader.execute("select count(*) from pgflow.jobs")
        with pytest.raises(DatabaseUnavailableError, match=r"pgflow doctor.*run `pgflow migrate` again"):
            migrate.migrate(pool, [NOTE])
    assert columns(db) == 0
    assert migrate.migrate(pool, [NOTE]) == [NOTE]
