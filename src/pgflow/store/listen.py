"""The doorbell's ear: LISTEN on a connection of its own, waited for on the event loop without a parked thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import anyio.to_thread
import psycopg

from pgflow.errors import DatabaseUnavailableError
from pgflow.store.pool import shown_dsn, with_wire_limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

CHANNEL: Final = "pgflow"
PROBE_SECONDS: Final = 30.0


class Listener:
    """Yields the queue's name each time the bell is rung. A notification is a hint: polling is the truth."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.Connection[Any] | None = None

    async def __aenter__(self) -> Self:
        """Connect and subscribe. Raises `DatabaseUnavailableError`."""
        self._conn = await anyio.to_thread.run_sync(self._connect, abandon_on_cancel=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        if self._conn is not None:
            self._conn.close()

    async def __aiter__(self) -> AsyncIterator[str]:
        """Yield names until the connection breaks; a quiet one is probed each 30 s, lest it be half open."""
        conn = self._conn
        while conn is not None and not conn.closed:
            with anyio.move_on_after(PROBE_SECONDS):
                await anyio.wait_readable(conn.fileno())
            try:
                names = [note.payload for note in conn.notifies(timeout=0)]
                if not names:
                    await anyio.to_thread.run_sync(self._probe, conn, abandon_on_cancel=True)
            except psycopg.OperationalError:
                return
            for name in dict.fromkeys(names):
                yield name

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            conn = psycopg.connect(with_wire_limits(self._dsn), autocommit=True)
            conn.execute(f"listen {CHANNEL}")
        except psycopg.OperationalError as error:
            msg = f"cannot listen at {shown_dsn(self._dsn)}: {' '.join(str(error).split())}"
            raise DatabaseUnavailableError(msg) from error
        return conn

    @staticmethod
    def _probe(conn: psycopg.Connection[Any]) -> None:
        conn.execute("select 1")
