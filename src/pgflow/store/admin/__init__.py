"""The admin side of the store: look, act, explain, examine.

What needs one statement is a `Statement`, for `pool.run` and `pool.arun`. What needs several is a function
of `run`, for `pool.together(lambda run: ...)` and `pool.atogether`: its statements share a transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from pgflow.store.statement import Statement

T = TypeVar("T")


class Run(Protocol):
    """Runs one statement in the transaction at hand."""

    def __call__(self, statement: Statement[T], /) -> T:
        """Run it and read its rows."""
        ...
