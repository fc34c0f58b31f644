"""Statements driven from the event loop: answered as from a thread, and no connection goes astray."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
import pytest

from chaos.faults import Silence
from chaos.proxy import Proxy
from moves import claim, count, ended, flushed, put, states
from pgflow.errors import DatabaseUnavailableError
from pgflow.store import jobs as sql
from pgflow.store import points
from pgflow.store.pool import Pool
from pgflow.store.statement import Query, Statement, all_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

Db = psycopg.Connection[Any]
pytestmark = pytest.mark.anyio
ANSWER = 1.0
NEAR = 10.0  # what a loaded machine takes beside
MINE = "select pg_backend_pid(), %(text)s::text"


def asked(text: str, params: Any = None, **options: Any) -> Statement[Any]:
    return Statement(Query("asked", text, **options), params, all_rows)


def sleeping(seconds: float, **options: Any) -> Statement[Any]:
    return asked(f"select pg_backend_pid(), pg_sleep({seconds})", **options)


@pytest.fixture
def alone(migrated_url: str) -> Iterator[Pool]:
    """A pool of one connection, which is at hand."""
    pool = Pool(migrated_url, size=1, acquire_seconds=5)
    pool.run(asked("select 1"))
    yield pool
    pool.close()


def no_threads(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_: Any) -> Any:
        pytest.fail("it went to a thread")

    monkeypatch.setattr(pool, "arun_call", refuse)


async def test_a_statement_needs_no_thread_where_a_connection_is_at_hand(
    alone: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_threads(alone, monkeypatch)
    assert await alone.arun(asked("select 1, 'a'::text, null")) == [(1, "a", None)]
    assert await alone.arun(asked("select 1, 2.5::float8", binary=True)) == [(1, 2.5)]
    assert await alone.arun(asked("set application_name = 'pgflow'")) == []


async def test_what_the_socket_has_no_room_for_is_sent_while_the_server_reads(
    alone: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_threads(alone, monkeypatch)
    text = "ä" * 3_000_000
    [(_, back)] = await alone.arun(asked(MINE, {"text": text}))
    assert back == text


async def test_more_than_there_are_connections_wait_in_threads_and_all_are_answered(migrated_url: str) -> None:
    pool = Pool(migrated_url, size=2)
    answers: list[Any] = []

    async def ask(number: int) -> None:
        answers.append(await pool.arun(asked("select %(n)s::int, pg_sleep(0.01)", {"n": number})))

    async with anyio.create_task_group() as group:
        for number in range(30):
            group.start_soon(ask, number)
    pool.close()
    assert sorted(rows[0][0] for rows in answers) == list(range(30))


async def test_a_refused_statement_is_raised_as_it_is_and_the_connection_kept(alone: Pool) -> None:
    [(mine, _)] = await alone.arun(asked(MINE, {"text": ""}))
    with pytest.raises(psycopg.errors.DivisionByZero):
        await alone.arun(asked("select 1 / 0"))
    assert (await alone.arun(asked(MINE, {"text": ""})))[0][0] == mine


async def test_a_connection_lost_on_the_way_is_got_over_where_the_statement_may_be_repeated(
    alone: Pool, db: Db
) -> None:
    [(before, _)] = await alone.arun(asked(MINE, {"text": ""}))
    async with anyio.create_task_group() as group:
        group.start_soon(end_session, db, before)
        [(after, _)] = await alone.arun(sleeping(0.5))
    assert after != before


async def test_where_it_may_not_be_it_is_in_doubt(alone: Pool, db: Db) -> None:
    [(mine, _)] = await alone.arun(asked(MINE, {"text": ""}))
    async with anyio.create_task_group() as group:
        group.start_soon(end_session, db, mine)
        with pytest.raises(DatabaseUnavailableError) as caught:
            await alone.arun(sleeping(0.5, repeatable=False))
    assert caught.value.in_doubt
    assert await alone.arun(asked("select 1")) == [(1,)]


async def test_silence_is_not_waited_for_and_no_loop_is_held_up_by_it(migrated_url: str) -> None:
    with Proxy(migrated_url) as proxy:
        pool = Pool(proxy.address(migrated_url), answer_seconds=ANSWER, acquire_seconds=ANSWER)
        pool.run(asked("select 1"))
        proxy.strike(Silence())
        began, looks = time.monotonic(), 0
        async with anyio.create_task_group() as group:

            async def look() -> None:
                nonlocal looks
                while True:
                    await anyio.sleep(0.02)
                    looks += 1

            group.start_soon(look)
            with pytest.raises(DatabaseUnavailableError, match="no answer within 1 s") as caught:
                await pool.arun(asked("select 1"))
            group.cancel_scope.cancel()
        assert caught.value.in_doubt
        assert looks > 10
        assert time.monotonic() - began < ANSWER + NEAR
        proxy.heal()
        assert await pool.arun(asked("select 1")) == [(1,)]
        pool.close()


async def test_a_cancelled_caller_waits_for_the_answer_and_the_connection_is_kept(alone: Pool, db: Db) -> None:
    [(before, _)] = await alone.arun(asked(MINE, {"text": ""}))
    db.execute("create table marks (n int)")
    with anyio.move_on_after(0.05) as scope:
        await alone.arun(asked("insert into marks select 1 from pg_sleep(0.3)"))
    assert scope.cancel_called
    assert db.execute("select count(*) from marks").fetchone() == (1,)
    assert (await alone.arun(asked(MINE, {"text": ""})))[0][0] == before


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_task_cancelled_by_asyncio_itself_leaves_no_connection_in_the_middle(alone: Pool) -> None:
    [(before, _)] = await alone.arun(asked(MINE, {"text": ""}))
    asking = asyncio.ensure_future(alone.arun(sleeping(5)))
    await asyncio.sleep(0.1)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert (await alone.arun(asked(MINE, {"text": ""})))[0][0] != before


async def test_a_deadlock_is_tried_again(alone: Pool, db: Db) -> None:
    db.execute("create function once() returns int language plpgsql as $$ begin"
               " if to_regclass('fell') is null then raise exception using errcode = '40P01'; end if;"
               " return 1; end $$")  # fmt: skip
    timer = threading.Timer(0.05, db.execute, ["create table fell ()"])
    timer.start()
    assert await alone.arun(asked("select once()")) == [(1,)]
    timer.join()


async def test_a_watched_edge_is_met_in_a_thread(alone: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    met: list[tuple[str, int]] = []
    monkeypatch.setattr(points, "watcher", lambda point, _: met.append((point.moment, threading.get_ident())))
    assert await alone.arun(asked("select 1")) == [(1,)]
    assert [moment for moment, _ in met] == ["before", "uncommitted", "committed"]
    assert threading.get_ident() not in {thread for _, thread in met}


async def test_settings_are_held_by_the_session_a_statement_is_driven_on(
    alone: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_mem = asked("select current_setting('work_mem')", settings={"work_mem": "77MB"})
    assert await alone.arun(work_mem) == [("77MB",)]
    no_threads(alone, monkeypatch)
    assert await alone.arun(work_mem) == [("77MB",)]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_flush_is_driven_and_so_is_a_claim(alone: Pool, db: Db) -> None:
    ids = put(alone, 3)
    jobs = await anyio.to_thread.run_sync(claim, alone)
    assert [job.job_id for job in jobs] == ids
    assert await anyio.to_thread.run_sync(flushed, alone, [ended(job) for job in jobs], [jobs[0].lease_id]) == set()
    assert states(db) == dict.fromkeys(ids, "succeeded")
    assert count(db, "leases") == 0
    assert (await alone.arun(sql.left_to_do(["default"]))) == (0, 0, 0)


async def end_session(db: Db, pid: int) -> None:
    await anyio.sleep(0.1)
    db.execute("select pg_terminate_backend(%s)", [pid])
