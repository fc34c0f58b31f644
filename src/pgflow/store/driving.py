"""Drives a connection from the event loop: a statement is sent and its answer read with no thread between.

A thread needs the interpreter to send, and again for each few kilobytes of an answer, and the loop gives it away only
where it has no job to run: the next claim left when all that was claimed had run, and the server had rested meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import anyio
from psycopg.waiting import Ready, Wait

from pgflow.store.sending import begin, rows_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from pgflow.store.statement import Query, Rows
    from pgflow.store.wire import Wire

T = TypeVar("T")


async def send_driven(conn: Wire, query: Query, params: Any) -> Rows:
    """Run a query by itself and return all its rows; the session has to hold its settings already.

    Not to be cancelled: the server would go on, and the connection be of no use.
    """
    rows = await _rows(conn, query, params)
    return rows if rows or not query.looks_twice else await _rows(conn, query, params)


async def _rows(conn: Wire, query: Query, params: Any) -> Rows:
    cursor, asking = begin(conn, query, params)
    await _driven(conn, asking)
    return rows_of(cursor)


async def _driven(conn: Wire, asking: Generator[Wait, Ready, T]) -> T:
    try:
        wants = next(asking)
        while True:
            wants = asking.send(await _ready(conn, wants))
    except StopIteration as end:
        return end.value  # type: ignore[no-any-return]


async def _ready(conn: Wire, wants: Wait) -> Ready:
    fd = conn.fileno()
    with anyio.move_on_after(conn.answer_seconds):
        if wants == Wait.R:
            await anyio.wait_readable(fd)
            return Ready.R
        return await _first_ready(fd)
    # a process that was itself stopped finds the answer there, and only hears late of it
    if conn.is_quiet:
        conn.give_up()
    return Ready.R


async def _first_ready(fd: int) -> Ready:
    # to send what the socket has no room for psycopg waits for either: the server may have something to say first
    found: list[Ready] = []

    async def one(wait: Callable[[int], Awaitable[None]], ready: Ready) -> None:
        await wait(fd)
        found.append(ready)
        group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(one, anyio.wait_readable, Ready.R)
        group.start_soon(one, anyio.wait_writable, Ready.W)
    return found[0]
