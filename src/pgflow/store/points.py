"""The edges of every statement and commit, by name: where a test stands in to cut, stall or kill.

Without a watcher nothing is called, and statements run as always.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

Moment = Literal["before", "uncommitted", "committed"]


class Point(NamedTuple):
    """An edge: before a statement is sent, between it and its commit, or behind the commit.

    Where a transaction has several statements, the edge behind its commit has the name of the last one.
    """

    name: str
    moment: Moment


watcher: Callable[[Point, Any], None] | None = None
"""Called with the connection at each edge, in the thread that runs the statement.

What it raises goes up as if the statement had failed.
"""


def reach(name: str, moment: Moment, conn: Any) -> None:
    """Say that an edge is reached."""
    standing = watcher
    if standing is not None:
        standing(Point(name, moment), conn)
