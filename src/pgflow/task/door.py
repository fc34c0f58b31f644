"""The way down from a task to the store, as the app provides it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pgflow.handle import Lookup
from pgflow.ids import IdMaker
from pgflow.model import NewJob


class Door(Lookup, Protocol):
    """Stores new jobs, through the hooks and in one transaction; and looks jobs up for their handles."""

    @property
    def ids(self) -> IdMaker:
        """What makes job ids on the database's clock."""
        ...

    def prepare(self) -> None:
        """Make the app's tasks ready to run: plugins loaded, and what they make of each task."""
        ...

    def put(self, jobs: Sequence[NewJob], conn: object | None) -> Sequence[str]:
        """Store jobs, on the caller's connection where one is given.

        Returns an id for each, in order: not the one asked for where this machine's clock was wrong.
        """
        ...

    async def aput(self, jobs: Sequence[NewJob], conn: object | None) -> Sequence[str]:
        """Store jobs, as `put` does, leaving the event loop free."""
        ...
