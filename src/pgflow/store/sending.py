"""Sends statements by name: the one place where the store executes SQL on a connection of its own."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from psycopg.pq import ExecStatus, TransactionStatus

from pgflow.store import points
from pgflow.store.statement import NO_SETTINGS, Query, Statement, nothing

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

    import psycopg

    from pgflow.store.statement import Rows
    from pgflow.store.wire import Wire

T = TypeVar("T")

SET_LOCAL: Final = "select set_config(name, value, true) from json_each_text(%(settings)s::json) as s (name, value)"
SETTINGS: Final = Query("settings", SET_LOCAL)
SET: Final = "select set_config(name, value, false) from json_each_text(%(settings)s::json) as s (name, value)"
HOLD: Final = Query("hold", SET)


class Transaction:
    """An open transaction; `conn` is its connection, on which `app.enqueue(…, conn=…)` joins it."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self.conn = conn
        self.last: str | None = None

    def run(self, statement: Statement[T]) -> T:
        """Run a statement in the transaction."""
        self.last = statement.query.name
        return statement.read(send(self.conn, statement.query, statement.params))


@contextmanager
def transaction(conn: psycopg.Connection[Any], settings: Mapping[str, str] | None = None) -> Iterator[Transaction]:
    """Open a transaction, with these settings for its length; it is committed where the block ends without an error."""
    opened = Transaction(conn)
    with conn.transaction():
        if settings:
            opened.run(setting(settings))
        yield opened
    if opened.last is not None:
        points.reach(opened.last, "committed", conn)


def setting(settings: Mapping[str, str]) -> Statement[None]:
    """Set these for the rest of the transaction."""
    return Statement(SETTINGS, {"settings": json.dumps(settings)}, nothing)


def send(conn: psycopg.Connection[Any], query: Query, params: Any = None, *, prepare: bool = True) -> Rows:
    """Run a query in whatever transaction a connection is in, or by itself, and return all its rows."""
    rows = _rows(conn, query, params, prepare)
    return rows if rows or not query.looks_twice else _rows(conn, query, params, prepare)


def send_at_once(conn: psycopg.Connection[Any], query: Query, params: Any, settings: Mapping[str, str]) -> Rows:
    """Run a query with settings in a transaction of its own, all in one round trip, with no edge inside."""
    with conn.pipeline():
        conn.execute("begin isolation level read committed")
        conn.execute(SETTINGS.text, setting(settings).params, prepare=True)
        cursor = _asked(conn, query, params, prepare=True)
        conn.execute("commit")
    return rows_of(cursor)


def send_held(conn: Wire, query: Query, params: Any) -> Rows:
    """Run a query by itself in a session that holds its settings, which it is given on the way where it held others.

    Only where no pooler hands the session on. Begin, settings and commit around a claim cost it more than half of its
    time.
    """
    if conn.holds == query.settings:
        return send(conn, query, params, prepare=query.prepares)
    change = _change(conn, query.settings)
    with conn.pipeline():
        conn.execute(HOLD.text, change, prepare=True)
        cursor = _asked(conn, query, params, prepare=query.prepares)
    conn.holds = query.settings
    rows = rows_of(cursor)
    return rows if rows or not query.looks_twice else _rows(conn, query, params, query.prepares)


def begin(conn: Wire, query: Query, params: Any) -> tuple[psycopg.Cursor[Any], Generator[Any, Any, None]]:
    """Begin a query by itself: the generator sends it and reads its answer, which the cursor has then."""
    return conn.begun(lambda: _asked(conn, query, params, prepare=query.prepares))


def rows_of(cursor: psycopg.Cursor[Any]) -> Rows:
    """All rows of an answer; none where it is not of rows."""
    # the cursor's description would name and type each column first: a tenth of what an enqueue costs its producer
    result = cursor.pgresult
    return cursor.fetchall() if result is not None and result.status == ExecStatus.TUPLES_OK else []


def let_go(conn: Wire) -> None:
    """Take back from a session what it was given to hold."""
    if conn.holds != NO_SETTINGS:
        conn.execute(HOLD.text, _change(conn, NO_SETTINGS))
        conn.holds = NO_SETTINGS


def _change(conn: Wire, settings: Mapping[str, str]) -> dict[str, str]:
    # null is the session's default; until it is done nobody knows what the session holds: an error takes it back
    conn.holds = None
    conn.has_held |= settings.keys()
    return {"settings": json.dumps({name: settings.get(name) for name in conn.has_held})}


def execute(conn: psycopg.Connection[Any], name: str, text: Any) -> None:
    """Run a text of which nothing is wanted back, such as a migration's."""
    points.reach(name, "before", conn)
    conn.execute(text)
    points.reach(name, _moment(conn), conn)


def _rows(conn: psycopg.Connection[Any], query: Query, params: Any, prepare: bool) -> Rows:  # noqa: FBT001 - as psycopg has it
    if query.copies:
        return _copy(conn, query, params)
    if points.watcher is None:
        return rows_of(_asked(conn, query, params, prepare=prepare))
    points.reach(query.name, "before", conn)
    rows = rows_of(_asked(conn, query, params, prepare=prepare))
    points.reach(query.name, _moment(conn), conn)
    return rows


def _asked(conn: psycopg.Connection[Any], query: Query, params: Any, *, prepare: bool) -> psycopg.Cursor[Any]:
    return conn.execute(query.text, params, prepare=prepare, binary=query.binary)


def _copy(conn: psycopg.Connection[Any], query: Query, params: Any) -> Rows:
    points.reach(query.name, "before", conn)
    with conn.cursor() as cursor, cursor.copy(query.text) as copy:
        for block in params["blocks"]:
            copy.write(block)
    points.reach(query.name, _moment(conn), conn)
    return []


def _moment(conn: psycopg.Connection[Any]) -> points.Moment:
    return "committed" if conn.info.transaction_status is TransactionStatus.IDLE else "uncommitted"
