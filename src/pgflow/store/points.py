"""The edges of every statement and commit, by name: where a test stands in to cut, stall or kill.

Without a watcher nothing is called, and statements run as always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

Moment = Literal["before", "uncommitted", "committed"]


class Point(NamedTuple):
    """An edge: before a statement is sent, between it and its commit, or behind the commit."""

    name: str
    moment: Moment


watcher: Callable[[Point, psycopg.Connection[Any]], None] | None = None
"""Called at each edge in the thread that runs the statement; what it raises goes up as if the statement had failed."""


def reach(name: str, moment: Moment, conn: psycopg.Connection[Any]) -> None:
    """Say that an edge is reached."""
    if watcher is not None:
        watcher(Point(name, moment), conn)
