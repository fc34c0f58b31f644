"""Enqueues a minute: exact over all processes, in bulk too, and cheap where there are many."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgflow import App, DatabaseUnavailableError, JobRejected, hookimpl
from pgflow.plugins.guardrails.permits import AHEAD_MOST, REFUSED_SECONDS, Exhausted, Permits
from pgflow.store import rates

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]


def charged(db: Db, queue: str = "default") -> int:
    """How many enqueues a queue was charged with."""
    row = db.execute("select coalesce(sum(count), 0)::int from pgflow.rates where queue = %s", [queue]).fetchone()
    return int(row[0]) if row else 0


def stored(db: Db) -> int:
    """How many jobs there are."""
    row = db.execute("select count(*) from pgflow.jobs").fetchone()
    return int(row[0]) if row else 0


def age(db: Db, seconds: float) -> None:
    """Let what was charged be so much longer ago."""
    db.execute("update pgflow.rates set second = second - %s * interval '1 s'", [seconds])


def tries(app: App, count: int, name: str = "t", **options: Any) -> int:
    """Enqueue so many jobs one by one; gives how many were let through."""
    accepted = 0
    for _ in range(count):
        try:
            app.enqueue(name, **options)
        except JobRejected as refusal:
            assert refusal.reason_code == "ENQUEUE_RATE_EXCEEDED"  # noqa: PT017 - the others are counted
        else:
            accepted += 1
    return accepted


def test_four_processes_at_once_enqueue_exactly_what_a_queue_takes(make_guarded: Any, db: Db) -> None:
    # each app has a pool and permits of its own, as a process has
    apps = [make_guarded(max_enqueue_per_minute=100) for _ in range(4)]
    with ThreadPoolExecutor(4) as threads:
        accepted = list(threads.map(lambda app: tries(app, 200), apps))
    assert sum(accepted) == stored(db) == charged(db) == 100
    assert db.execute("select sum(count)::int from pgflow.decisions").fetchall() == [(700,)]


def test_many_threads_of_one_process_share_what_it_reserved(make_guarded: Any, db: Db) -> None:
    app = make_guarded(max_enqueue_per_minute=2000)
    with ThreadPoolExecutor(8) as threads:
        accepted = sum(threads.map(lambda _: tries(app, 50), range(8)))
    assert accepted == 400
    assert 400 <= charged(db) <= 400 + 2 * 2000 // 50


def test_permits_are_reserved_ahead_in_growing_chunks(pool: Pool, db: Db) -> None:
    permits, round_trips = Permits(), 0

    class Counted:
        def together(self, work: Any) -> Any:
            nonlocal round_trips
            round_trips += 1
            return pool.together(work)

    for _ in range(5000):
        permits.take(Counted(), {"q": 1}, {"q": 1_000_000})
    assert round_trips < 40
    assert charged(db, "q") <= 5000 + AHEAD_MOST


def test_no_window_of_a_minute_has_more_than_the_limit(make_guarded: Any, db: Db) -> None:
    app = make_guarded(max_enqueue_per_minute=10)
    assert tries(app, 12) == 10
    age(db, 30)
    assert tries_until_asked_anew(app) == 0
    age(db, rates.COUNTED_SECONDS - 30)
    assert tries_until_asked_anew(app) == 1
    assert tries(app, 20) == 9


def tries_until_asked_anew(app: App) -> int:
    """Try till what was refused a moment ago is asked for anew, and so once more; gives how many were let through."""
    accepted, deadline = 0, time.monotonic() + REFUSED_SECONDS
    while not accepted and time.monotonic() < deadline:
        accepted = tries(app, 1)
    return accepted or tries(app, 1)


def test_a_refusal_says_when_there_is_room_again(make_guarded: Any, db: Db) -> None:
    app = make_guarded(max_enqueue_per_minute=10)
    tries(app, 10)
    age(db, 50)
    with pytest.raises(JobRejected, match=r"queue default takes 10 jobs a minute: .* try again in \d+ s") as refused:
        app.enqueue("t")
    details = refused.value.details
    assert details is not None
    assert (details["limit"], details["left"], details["asked"]) == (10, 0, 1)
    assert 10 <= int(str(details["retry_after"])) <= 12


def test_a_bulk_is_let_through_or_refused_whole_and_a_refused_one_costs_nothing(make_guarded: Any, db: Db) -> None:
    app = make_guarded(max_enqueue_per_minute=100)

    @app.task
    def t() -> None: ...

    calls = [((), {})] * 60
    assert len(t.enqueue_many(calls)) == 60
    with pytest.raises(JobRejected, match="40 are left of it now, and 60 were asked for"):
        t.enqueue_many(calls)
    assert charged(db) == 60
    assert len(t.enqueue_many(calls[:40])) == 40
    with pytest.raises(JobRejected, match=r"101 at once never fit: send fewer at a time") as refused:
        t.enqueue_many([((), {})] * 101)
    assert "retry_after" not in (refused.value.details or {})
    assert stored(db) == 100


def test_a_call_for_two_queues_charges_neither_where_one_is_full(pool: Pool, db: Db) -> None:
    permits = Permits()
    permits.take(pool, {"b": 3}, {"b": 3})
    with pytest.raises(Exhausted) as full:
        permits.take(pool, {"a": 1, "b": 1}, {"a": 5, "b": 3})
    assert full.value.queue == "b"
    assert (charged(db, "a"), charged(db, "b")) == (0, 3)
    permits.take(pool, {"a": 5}, {"a": 5})


def test_queues_have_limits_of_their_own(make_guarded: Any, db: Db) -> None:
    app = make_guarded({"enqueue_limits": '{"mail": 2, "free": 0}'}, max_enqueue_per_minute=5)
    assert tries(app, 9, queue="mail") == 2
    assert tries(app, 9, queue="free") == 9
    assert tries(app, 9) == 5
    assert charged(db, "free") == 0


def test_permits_that_were_not_used_in_time_are_not_used_later(pool: Pool, db: Db) -> None:
    permits = Permits()
    for _ in range(4):
        permits.take(pool, {"q": 1}, {"q": 1000})
    stock = permits._stocks["q"]
    assert stock.permits > 0
    stock.until = 0.0
    before = charged(db, "q")
    permits.take(pool, {"q": 1}, {"q": 1000})
    assert charged(db, "q") == before + 1, "after a pause nothing is reserved ahead"


def test_a_forked_child_uses_nothing_that_its_parent_reserved(pool: Pool) -> None:
    permits = Permits()
    for _ in range(4):
        permits.take(pool, {"q": 1}, {"q": 1000})
    permits._pid = os.getpid() + 1
    permits.take(pool, {"q": 1}, {"q": 1000})
    assert permits._stocks["q"].permits == 0


def test_what_another_plugin_refuses_is_not_charged(make_guarded: Any, db: Db) -> None:
    class Never:
        @hookimpl
        def pgflow_before_enqueue(self) -> None:
            raise JobRejected("NEVER")

    app = make_guarded(None, Never(), max_enqueue_per_minute=10)
    with pytest.raises(JobRejected, match="NEVER"):
        app.enqueue("t")
    assert charged(db) == 0


def test_a_rolled_back_enqueue_stays_charged_and_a_refused_one_stays_on_record(
    make_guarded: Any, migrated_url: str, db: Db
) -> None:
    app = make_guarded(max_enqueue_per_minute=2)
    with psycopg.connect(migrated_url) as conn:
        for _ in range(2):
            app.enqueue("t", conn=conn)
        with pytest.raises(JobRejected):
            app.enqueue("t", conn=conn)
        conn.rollback()
    assert (stored(db), charged(db)) == (0, 2)
    assert db.execute("select reason_code from pgflow.decisions").fetchall() == [("ENQUEUE_RATE_EXCEEDED",)]


def test_nothing_passes_that_cannot_be_counted(make_guarded: Any, migrated_url: str, db: Db) -> None:
    app = make_guarded(max_enqueue_per_minute=10)
    app.configure(database_url="postgresql://localhost:1/nowhere")
    with psycopg.connect(migrated_url, autocommit=True) as conn, pytest.raises(DatabaseUnavailableError):
        app.enqueue("t", conn=conn)
    assert stored(db) == 0


@pytest.mark.anyio
async def test_awaited_enqueues_are_counted_too(make_guarded: Any, db: Db) -> None:
    app = make_guarded(max_enqueue_per_minute=3)
    for _ in range(3):
        await app.aenqueue("t")
    with pytest.raises(JobRejected):
        await app.aenqueue("t")
    assert stored(db) == 3


def test_where_nothing_is_limited_nothing_is_counted(make_guarded: Any, db: Db) -> None:
    app = make_guarded()
    app.enqueue("t")
    assert (stored(db), charged(db)) == (1, 0)
