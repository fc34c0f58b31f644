"""Refusals on record: each has its row, a flood is counted exactly on few, and a rollback undoes none."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moves import IDS
from pgflow import App, JobRejected
from pgflow.errors import DatabaseUnavailableError
from pgflow.model import NewJob
from pgflow.refusals import KINDS_AT_ONCE, ROWS_A_WINDOW, Refusals

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]


def job(queue: str = "mail", task: str = "mail.send") -> NewJob:
    return NewJob(id=IDS.make(), queue=queue, task=task)


def refusal(reason: str = "TOO_ODD") -> JobRejected:
    return JobRejected(reason, "an odd one", details={"limit": 3})


def kept(db: Db) -> list[int]:
    """The counts of the rows on record, oldest first."""
    return [row[0] for row in db.execute("select count from pgflow.decisions order by id")]


def next_window(refusals: Refusals) -> None:
    """Let every window be over."""
    for window in refusals._windows.values():
        window.ends = 0.0


def test_a_refusal_says_who_was_refused_and_why(pool: Pool, db: Db) -> None:
    Refusals().keep(pool.run, refusal(), [job(), job()])
    rows = db.execute(
        "select kind, queue, task, decision, reason_code, details, count from pgflow.decisions"
    ).fetchall()
    details = {"limit": 3, "message": "an odd one", "jobs": 2}
    assert rows == [("ingest", "mail", "mail.send", "rejected", "TOO_ODD", details, 1)]


def test_a_flood_is_counted_on_the_last_of_ten_rows(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    for _ in range(25):
        refusals.keep(pool.run, refusal(), [job()])
    assert kept(db) == [1] * 9 + [16]
    times = db.execute("select created_at < last_at from pgflow.decisions where count > 1").fetchall()
    assert times == [(True,)]


def test_each_window_starts_a_row_anew(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    for _ in range(2):
        for _ in range(12):
            refusals.keep(pool.run, refusal(), [job()])
        next_window(refusals)
    assert kept(db) == [*[1] * 9, 3, *[1] * 9, 3]


def test_queues_tasks_and_reasons_are_told_apart(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    for _ in range(11):
        for queue, task, reason in [("a", "t", "X"), ("b", "t", "X"), ("a", "u", "X"), ("a", "t", "Y")]:
            refusals.keep(pool.run, refusal(reason), [job(queue, task)])
    rows = db.execute(
        "select queue, task, reason_code, sum(count)::int from pgflow.decisions group by 1, 2, 3"
    ).fetchall()
    assert sorted(rows) == [("a", "t", "X", 11), ("a", "t", "Y", 11), ("a", "u", "X", 11), ("b", "t", "X", 11)]
    assert len(kept(db)) == 40


def test_a_flood_from_many_threads_is_counted_exactly(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: refusals.keep(pool.run, refusal(), [job()]), range(400)))
    counts = kept(db)
    assert len(counts) == ROWS_A_WINDOW
    assert sum(counts) == 400


def test_a_flood_of_ever_new_names_is_bounded_and_counted_exactly(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    for n in range(KINDS_AT_ONCE + 50):
        refusals.keep(pool.run, refusal(), [job(task=f"made.up.{n}")])
    counts = kept(db)
    assert len(counts) == KINDS_AT_ONCE + ROWS_A_WINDOW
    assert sum(counts) == KINDS_AT_ONCE + 50
    next_window(refusals)
    refusals.keep(pool.run, refusal(), [job(task="made.up.later")])
    assert len(refusals._windows) == 1


def test_a_row_that_was_deleted_in_a_flood_is_replaced(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    for _ in range(12):
        refusals.keep(pool.run, refusal(), [job()])
    db.execute("delete from pgflow.decisions")
    for _ in range(3):
        refusals.keep(pool.run, refusal(), [job()])
    assert kept(db) == [3]


def test_what_could_not_be_written_is_counted_later(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    for _ in range(10):
        refusals.keep(pool.run, refusal(), [job()])

    def away(_statement: object) -> Any:
        msg = "away"
        raise DatabaseUnavailableError(msg)

    for _ in range(5):
        with pytest.raises(DatabaseUnavailableError):
            refusals.keep(away, refusal(), [job()])
    next_window(refusals)
    refusals.keep(pool.run, refusal(), [job()])
    assert sum(kept(db)) == 16


def test_who_is_refused_meanwhile_does_not_wait_for_the_one_who_counts(pool: Pool, db: Db) -> None:
    refusals = Refusals()
    for _ in range(10):
        refusals.keep(pool.run, refusal(), [job()])
    counting, go_on = threading.Event(), threading.Event()

    def slowly(statement: Any) -> Any:
        counting.set()
        assert go_on.wait(10)
        return pool.run(statement)

    with ThreadPoolExecutor(1) as threads:
        slow = threads.submit(refusals.keep, slowly, refusal(), [job()])
        assert counting.wait(10)
        for _ in range(7):
            refusals.keep(pool.run, refusal(), [job()])
        go_on.set()
        slow.result(10)
    assert kept(db) == [1] * 9 + [9]


def test_a_rolled_back_transaction_leaves_the_decision(migrated_url: str, db: Db) -> None:
    app = App("tests", dsn=migrated_url, max_payload_bytes=100)

    @app.task
    def send(text: str) -> None: ...

    try:
        with psycopg.connect(migrated_url) as conn:
            with pytest.raises(JobRejected):
                send.options(conn=conn).enqueue("x" * 100)
            conn.rollback()
    finally:
        app.close()
    assert db.execute("select reason_code from pgflow.decisions").fetchall() == [("PAYLOAD_TOO_LARGE",)]
    assert db.execute("select count(*) from pgflow.jobs").fetchall() == [(0,)]
