"""Behind a pooler that hands sessions on and knows no prepared statements, everything works, by polling."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
import pytest

from chaos.pgbouncer import PROGRAM, Pgbouncer
from chaos.server import Server
from moves import claim, ended, finish, put
from pgflow import App, DatabaseUnavailableError
from pgflow.store import buckets
from pgflow.store.listen import Listener
from pgflow.store.migrate import migrate
from pgflow.store.pool import Pool
from pgflow.store.statement import Query, Statement, all_rows
from workers import until_final, working

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="pgbouncer is not installed: apt install pgbouncer"),
    pytest.mark.anyio,
]

SETTING = Statement(Query("setting", "select current_setting('statement_timeout')", {"jit": "off"}), {}, all_rows)


@pytest.fixture(scope="module")
def direct_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server on TCP, migrated: the socket of the embedded one is closed to the pooler's user."""
    server = Server(tmp_path_factory.mktemp("server"))
    server.create()
    server.start()
    pool = Pool(server.url)
    migrate(pool)
    pool.close()
    yield server.url
    server.stop()


@pytest.fixture
def pooled_url(tmp_path: Any, direct_url: str) -> Iterator[str]:
    with Pgbouncer(tmp_path / "pgbouncer", direct_url, default_pool_size=3) as pooler:
        yield pooler.address(direct_url)


@pytest.fixture
def pooled(pooled_url: str) -> Iterator[Pool]:
    pool = Pool(pooled_url, size=8)
    yield pool
    pool.close()


def test_many_threads_share_few_sessions_and_nothing_is_prepared(
    pooled: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    def round_of_it(_: int) -> int:
        put(pooled, 5)
        jobs = claim(pooled, 5)
        assert finish(pooled, [ended(job) for job in jobs], over=True) == set()
        return len(jobs)

    with caplog.at_level(logging.INFO, "pgflow"), ThreadPoolExecutor(8) as threads:
        done = sum(threads.map(round_of_it, range(40)))
    while jobs := claim(pooled, 100):
        finish(pooled, [ended(job) for job in jobs])
        done += len(jobs)
    assert done == 200
    found = pooled.run(Statement(Query("prepared", "select count(*) from pg_prepared_statements"), {}, all_rows))
    assert found == [(0,)]
    assert caplog.text.count("a pooler stands before the database") == 1


def test_statements_are_bounded_in_their_own_transactions_and_sessions_are_left_as_they_were(
    pooled: Pool, direct_url: str
) -> None:
    assert pooled.run(SETTING) == [("27s",)]
    assert pooled.run(Statement(Query("setting", "select current_setting('lock_timeout')"), {}, all_rows)) == [
        ("9990ms",)
    ]
    assert pooled.together(lambda run: run(SETTING)) == [("27s",)]
    with pooled.patient() as conn:
        assert conn.execute("select current_setting('statement_timeout')").fetchone() == ("0",)
    direct = Pool(direct_url)
    assert direct.run(SETTING) == [("27s",)]
    direct.close()


def test_told_to_prepare_all_the_same_it_says_what_is_wrong(pooled_url: str) -> None:
    pools = [Pool(pooled_url, size=1, prepare="on") for _ in range(2)]
    first, second = (Statement(Query(name, f"select {n}"), {}, all_rows) for n, name in enumerate(("a", "b")))

    def meet() -> None:
        for _ in range(20):
            pools[0].run(first)
            pools[1].run(second)

    with pytest.raises(DatabaseUnavailableError, match="PGFLOW_DB_PREPARE=off"):
        meet()
    for pool in pools:
        pool.close()


def test_told_not_to_it_prepares_nothing_on_a_direct_connection_either(direct_url: str) -> None:
    counted = Statement(Query("prepared", "select count(*) from pg_prepared_statements"), {}, all_rows)
    for prepare, counts in (("off", [0, 0]), ("auto", [1, 1])):
        pool = Pool(direct_url, size=1, prepare=prepare)  # type: ignore[arg-type]
        assert [pool.run(counted)[0][0] for _ in range(2)] == counts
        pool.close()


def test_a_bucket_is_made_and_removed_through_it(pooled: Pool) -> None:
    assert buckets.ensure(pooled, "day")
    name = pooled.run(buckets.listing())[0].name
    assert buckets.remove(pooled, name) == 0


async def test_the_doorbell_hears_itself_only_on_a_session_of_its_own(pooled_url: str, direct_url: str) -> None:
    async with Listener(direct_url) as listener:
        assert listener.hears
        with psycopg.connect(direct_url, autocommit=True) as conn:
            conn.execute("select pg_notify('pgflow', 'mail')")
        with anyio.fail_after(10):
            async with aclosing(aiter(listener)) as queues:
                assert await anext(queues) == "mail"
    async with Listener(pooled_url) as listener:
        assert not listener.hears
        assert [queue async for queue in listener] == []


async def test_a_worker_behind_it_works_by_polling_and_says_so_once(
    pooled_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    app = App("pooled", dsn=pooled_url, migrate_on_startup=True, poll_interval_ms=100, dataset_bucket="none")

    @app.task
    async def quick(n: int) -> None:
        await anyio.sleep(0)

    async with working(app):
        for job in await quick.aenqueue_many([((n,), {}) for n in range(50)]):
            assert (await until_final(job)).state == "succeeded"
        with anyio.fail_after(20):
            while "no doorbell" not in caplog.text:
                await anyio.sleep(0.05)
        assert (await until_final(await quick.aenqueue(1))).state == "succeeded"
    assert caplog.text.count("no doorbell") == 1
    app.close()
