"""What is no usable connection is refused by name, with what to give instead."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest
import sqlalchemy as sa
import trio
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, declarative_base, sessionmaker
from sqlalchemy.pool import StaticPool

from pgflow.errors import ArgumentError
from pgflow.store.joined import afetch, fetch
from pgflow.store.statement import Query

if TYPE_CHECKING:
    from collections.abc import Iterator

ONE = Query("test", "select cast(%(jobs)s as text)")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = sa.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(database_url))
    yield engine
    engine.dispose()


def asyncpg_address(url: str) -> dict[str, Any]:
    """Say in asyncpg's keywords where a psycopg URL or key=value string leads."""
    parts = conninfo_to_dict(url)
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
    return {names[key]: value for key, value in parts.items() if key in names}


def refusal(conn: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        fetch(conn, ONE, "[]")
    return str(caught.value)


async def async_refusal(conn: Any) -> str:
    with pytest.raises(ArgumentError) as caught:
        await afetch(conn, ONE, "[]")
    return str(caught.value)


@contextmanager
def nothing() -> Iterator[None]:
    yield


STRANGERS = [
    ("postgresql://u:secret@h/d", "conn is a str, .*give the connection itself"),
    (3, "conn is a int, .*give a connection of psycopg"),
    (None, "NoneType, .*give a connection of psycopg"),
    (nothing(), "_GeneratorContextManager, .*enter it first"),
    (ConnectionPool(open=False), r"psycopg_pool.pool.ConnectionPool, .*take a connection from it"),
    (sa.create_engine("postgresql+psycopg://"), r"sqlalchemy.engine.base.Engine, .*engine.begin\(\)"),
    (create_async_engine("postgresql+asyncpg://"), r"AsyncEngine, .*engine.begin\(\)"),
    (sessionmaker(), "sessionmaker, .*call it"),
    (async_sessionmaker(), "async_sessionmaker, .*call it"),
]


@pytest.mark.parametrize(("given", "words"), STRANGERS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_stranger_is_named_with_what_to_give_instead(given: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        fetch(given, ONE, "[]")


def test_a_url_given_by_mistake_is_not_repeated() -> None:
    assert "secret" not in refusal("postgresql://u:secret@h/d")


def test_cursors_transactions_and_pipelines_point_to_their_connection(engine: sa.Engine, database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        assert "give the connection it belongs to" in refusal(conn.cursor())
        with conn.transaction() as transaction:
            assert "it was begun on" in refusal(transaction)
        with conn.pipeline() as pipeline:
            assert "it was opened on" in refusal(pipeline)
    with engine.connect() as other, other.begin() as begun:
        assert "it was begun on" in refusal(begun)
    raw = engine.raw_connection()
    assert "driver_connection" in refusal(raw)
    raw.close()


@pytest.mark.anyio
async def test_asyncpg_pools_and_transactions_point_to_a_connection(database_url: str) -> None:
    async with asyncpg.create_pool(**asyncpg_address(database_url), min_size=1) as pool:
        assert "take a connection from it" in await async_refusal(pool)
        acquiring = pool.acquire()
        assert "await it first" in await async_refusal(acquiring)
        async with acquiring as conn:
            assert "it was begun on" in await async_refusal(conn.transaction())
        assert "closed asyncpg.pool.PoolConnectionProxy" in await async_refusal(conn)


@pytest.mark.anyio
async def test_the_wrong_door_names_the_right_one(database_url: str) -> None:
    async with await psycopg.AsyncConnection.connect(database_url) as conn:
        assert "async connection (psycopg.AsyncConnection): use aenqueue" in refusal(conn)
    with psycopg.connect(database_url) as sync_conn:
        assert "would block the event loop: use enqueue" in await async_refusal(sync_conn)
    assert "use aenqueue" in refusal(AsyncSession())
    assert "use enqueue" in await async_refusal(Session())


@pytest.mark.anyio
async def test_a_closed_connection_is_named(engine: sa.Engine, database_url: str) -> None:
    with psycopg.connect(database_url) as conn:
        pass
    assert "closed psycopg.Connection: give an open one" in refusal(conn)
    with engine.connect() as sqlalchemy_conn:
        pass
    assert "closed sqlalchemy.engine.base.Connection" in refusal(sqlalchemy_conn)
    async with await psycopg.AsyncConnection.connect(database_url) as async_conn:
        pass
    assert "closed psycopg.AsyncConnection" in await async_refusal(async_conn)
    asyncpg_conn = await asyncpg.connect(**asyncpg_address(database_url))
    await asyncpg_conn.close()
    assert "closed asyncpg.connection.Connection" in await async_refusal(asyncpg_conn)


@pytest.mark.anyio
async def test_a_closed_async_sqlalchemy_connection_is_named(database_url: str) -> None:
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: asyncpg.connect(**asyncpg_address(database_url))
    )
    async with engine.connect() as conn:
        pass
    assert "closed sqlalchemy.ext.asyncio.engine.AsyncConnection" in await async_refusal(conn)
    assert "await it first" in await async_refusal(engine.connect())
    await engine.dispose()


def test_a_connection_to_another_kind_of_database_is_refused() -> None:
    engine = sa.create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as conn, Session(engine) as session:
        assert "to sqlite, and jobs are kept in PostgreSQL" in refusal(conn)
        assert "to sqlite" in refusal(session)
    engine.dispose()
    lite = sqlite3.connect(":memory:")
    assert "conn is a sqlite3.Connection" in refusal(lite)
    lite.close()


def test_a_session_without_one_database_is_told_to_name_it() -> None:
    with Session() as session:
        assert "bind_arguments" in refusal(session)


def test_a_session_whose_flush_failed_is_in_a_failed_transaction(engine: sa.Engine) -> None:
    class Note(declarative_base()):  # type: ignore[misc]
        __tablename__ = "notes"
        id = sa.Column(sa.Integer, primary_key=True)

    Note.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Note(id=1), Note(id=1)])
        with pytest.raises(sa.exc.IntegrityError):
            session.flush()
        assert "in a failed transaction" in refusal(session)


def test_a_proxy_around_a_connection_is_seen_through(database_url: str) -> None:
    class Traced:
        def __init__(self, traced: object) -> None:
            self.traced = traced

        def __getattr__(self, name: str) -> object:
            return getattr(self.traced, name)

        @property  # type: ignore[misc]
        def __class__(self) -> type:
            return type(self.traced)

    with psycopg.connect(database_url) as conn:
        assert fetch(Traced(conn), ONE, "[]") == [("[]",)]


def test_no_library_is_imported_to_recognise_a_connection() -> None:
    code = (
        "import sys, pgflow.store.joined\n"
        "assert not {'sqlalchemy', 'asyncpg', 'django', 'psycopg2', 'psycopg_pool'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_trio_is_told_that_these_connections_are_of_asyncio() -> None:
    trio.run(the_refusal_names_asyncio, AsyncSession())
    asyncio.run(the_refusal_names_the_missing_database(AsyncSession()))


async def the_refusal_names_asyncio(conn: Any) -> None:
    assert "runs on asyncio only" in await async_refusal(conn)


async def the_refusal_names_the_missing_database(conn: Any) -> None:
    assert "no single database" in await async_refusal(conn)
