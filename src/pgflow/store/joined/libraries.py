"""How each library's connection runs the statement; none but psycopg is imported, only found where already loaded."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg
from psycopg.rows import tuple_row

from pgflow.store.joined.refusals import failed, not_postgresql, refuse_closed

if TYPE_CHECKING:
    from collections.abc import Callable


# a connection set to stream would declare a cursor for the statement, which cannot write
_NO_STREAMING: Final = {"stream_results": False, "yield_per": None}


class Library(NamedTuple):
    """One kind of connection: `run(conn, sql, jobs_json)` gives rows, or where `is_async` an awaitable of rows."""

    is_async: bool
    run: Callable[[Any, str, str], Any]


# In psycopg and psycopg2 the cursor is made here, not by the connection, whose factories may want other
# placeholders (RawCursor) or return rows as mappings (RealDictCursor).


def _psycopg(conn: psycopg.Connection[Any], sql: str, jobs: str) -> Any:
    refuse_closed(conn, closed=conn.closed)
    with psycopg.Cursor(conn, row_factory=tuple_row) as cursor:
        return cursor.execute(sql.encode(), {"jobs": jobs}).fetchall()


async def _psycopg_async(conn: psycopg.AsyncConnection[Any], sql: str, jobs: str) -> Any:
    refuse_closed(conn, closed=conn.closed)
    async with psycopg.AsyncCursor(conn, row_factory=tuple_row) as cursor:
        await cursor.execute(sql.encode(), {"jobs": jobs})
        return await cursor.fetchall()


def _psycopg2(conn: Any, sql: str, jobs: str) -> Any:
    refuse_closed(conn, closed=bool(conn.closed))
    with conn.cursor(cursor_factory=sys.modules["psycopg2.extensions"].cursor) as cursor:
        cursor.execute(sql, {"jobs": jobs})
        return cursor.fetchall()


async def _asyncpg(conn: Any, sql: str, jobs: str) -> Any:
    refuse_closed(conn, closed=_asyncpg_closed(conn))
    return await conn.fetch(sql.replace("%(jobs)s", "$1"), jobs)


def _asyncpg_closed(conn: Any) -> Any:
    try:
        return conn.is_closed()
    except sys.modules["asyncpg"].InterfaceError:
        return True  # given back to its pool


def _django(conn: Any, sql: str, jobs: str) -> Any:
    # django.db.connection and django.core.cache.cache are of one class: only the first has a vendor
    if (vendor := getattr(conn, "vendor", "no database")) != "postgresql":
        raise not_postgresql(conn, vendor)
    refuse_closed(conn, closed=conn.closed_in_transaction)
    if conn.needs_rollback:
        raise failed(conn)
    with conn.cursor() as cursor:
        cursor.execute(sql, {"jobs": jobs})
        return cursor.fetchall()


def _sqlalchemy(conn: Any, sql: str, jobs: str) -> Any:
    refuse_closed(conn, closed=conn.closed)
    if conn.dialect.name != "postgresql":
        raise not_postgresql(conn, conn.dialect.name)
    statement = sys.modules["sqlalchemy"].text(sql.replace("%(jobs)s", ":jobs"))
    return conn.execute(statement, {"jobs": jobs}, execution_options=_NO_STREAMING).fetchall()


def _sqlalchemy_session(session: Any, sql: str, jobs: str) -> Any:
    if not session.is_active:
        raise failed(session)
    return _sqlalchemy(session.connection(), sql, jobs)


def _sqlalchemy_scoped(registry: Any, sql: str, jobs: str) -> Any:
    return _sqlalchemy_session(registry(), sql, jobs)


async def _sqlalchemy_async(conn: Any, sql: str, jobs: str) -> Any:
    refuse_closed(conn, closed=conn.closed)
    return await conn.run_sync(_sqlalchemy, sql, jobs)


async def _sqlalchemy_async_session(session: Any, sql: str, jobs: str) -> Any:
    return await session.run_sync(_sqlalchemy_session, sql, jobs)


async def _sqlalchemy_async_scoped(registry: Any, sql: str, jobs: str) -> Any:
    return await _sqlalchemy_async_session(registry(), sql, jobs)


LIBRARIES: Final = {
    "psycopg.Connection": Library(is_async=False, run=_psycopg),
    "psycopg.AsyncConnection": Library(is_async=True, run=_psycopg_async),
    "psycopg2.extensions.connection": Library(is_async=False, run=_psycopg2),
    "asyncpg.connection.Connection": Library(is_async=True, run=_asyncpg),
    "asyncpg.pool.PoolConnectionProxy": Library(is_async=True, run=_asyncpg),
    "django.db.backends.base.base.BaseDatabaseWrapper": Library(is_async=False, run=_django),
    "django.utils.connection.ConnectionProxy": Library(is_async=False, run=_django),
    "sqlalchemy.engine.base.Connection": Library(is_async=False, run=_sqlalchemy),
    "sqlalchemy.orm.session.Session": Library(is_async=False, run=_sqlalchemy_session),
    "sqlalchemy.orm.scoping.scoped_session": Library(is_async=False, run=_sqlalchemy_scoped),
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": Library(is_async=True, run=_sqlalchemy_async),
    "sqlalchemy.ext.asyncio.session.AsyncSession": Library(is_async=True, run=_sqlalchemy_async_session),
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": Library(is_async=True, run=_sqlalchemy_async_scoped),
}
