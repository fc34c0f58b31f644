"""Joining a caller's transaction: two doors that run one statement on a connection of theirs, and end nothing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from pgflow.errors import ArgumentError
from pgflow.store import points
from pgflow.store.joined.libraries import LIBRARIES
from pgflow.store.joined.refusals import class_names, explained, kind, stranger

if TYPE_CHECKING:
    from pgflow.store.joined.libraries import Library
    from pgflow.store.statement import Query

__all__ = ["afetch", "fetch"]

JOINED: Final = "joined/"
"""Before the names of statements on a caller's connection, whose commit is the caller's and has no edge here."""


def fetch(conn: object, query: Query, jobs_json: str) -> list[tuple[Any, ...]]:
    """Run a statement with its one parameter, `%(jobs)s`, on a caller's connection and return all its rows.

    It runs in the transaction the connection is in, begins one where the library would for any statement, and is
    committed at once only on an autocommit connection. It never commits, rolls back, flushes, closes or changes
    settings. What the database answers to the statement is raised as the library's own error.

    Raises `ArgumentError` where `conn` is async, closed, in a failed transaction, or no connection to PostgreSQL.
    """
    library = _library(conn)
    if library.is_async:
        msg = f"conn is an async connection ({kind(conn)}): use aenqueue, and await it"
        raise ArgumentError(msg)
    points.reach(JOINED + query.name, "before", conn)
    with explained(conn):
        rows = [tuple(row) for row in library.run(conn, query.text, jobs_json)]
    points.reach(JOINED + query.name, "uncommitted", conn)
    return rows


async def afetch(conn: object, query: Query, jobs_json: str) -> list[tuple[Any, ...]]:
    """Do what `fetch` does, on an async connection; these run on asyncio only, whichever the library.

    Raises `ArgumentError` as `fetch` does, where `conn` is sync, and under trio.
    """
    library = _library(conn)
    if not library.is_async:
        msg = f"conn is a sync connection ({kind(conn)}), which would block the event loop: use enqueue"
        raise ArgumentError(msg)
    _require_asyncio(conn)
    points.reach(JOINED + query.name, "before", conn)
    with explained(conn):
        rows = [tuple(row) for row in await library.run(conn, query.text, jobs_json)]
    points.reach(JOINED + query.name, "uncommitted", conn)
    return rows


def _library(conn: object) -> Library:
    # __class__, unlike type(), sees through the proxies of tracers and web frameworks
    names = class_names(conn.__class__)
    library = next((LIBRARIES[name] for name in names if name in LIBRARIES), None)
    if library is None:
        raise stranger(conn)
    return library


def _require_asyncio(conn: object) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        msg = (
            f"conn is a {kind(conn)}, which runs on asyncio only: "
            "elsewhere give a sync connection to enqueue, in a thread (anyio.to_thread.run_sync)"
        )
        raise ArgumentError(msg) from None
