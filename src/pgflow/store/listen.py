"""The doorbell's ear: LISTEN on a connection of its own, waited for on the event loop without a parked thread."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Final, Self

import anyio
import anyio.to_thread
import psycopg

from pgflow.errors import DatabaseUnavailableError
from pgflow.store.pool import shown_dsn, with_wire_limits
from pgflow.store.sending import execute

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PROBE_SECONDS: Final = 30.0


class Listener:
    """Yields the queue's name each time the bell is rung. A notification is a hint: polling is the truth."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: psycopg.Connection[Any] | None = None
        self._is_over = False
        self._lock = threading.Lock()

    async def __aenter__(self) -> Self:
        """Connect and subscribe. Raises `DatabaseUnavailableError`."""
        try:
            await anyio.to_thread.run_sync(self._connect, abandon_on_cancel=True)
        except BaseException:
            self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connection."""
        self._close()

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

    def _connect(self) -> None:
        try:
            conn = psycopg.connect(with_wire_limits(self._dsn), autocommit=True)
            execute(conn, "listen", "listen pgflow")
        except psycopg.OperationalError as error:
            msg = f"cannot listen at {shown_dsn(self._dsn)}: {' '.join(str(error).split())}"
            raise DatabaseUnavailableError(msg) from error
        with self._lock:
            # whoever asked may have been cancelled meanwhile, and nobody else would close it
            if self._is_over:
                conn.close()
            else:
                self._conn = conn

    def _close(self) -> None:
        with self._lock:
            self._is_over = True
            if self._conn is not None:
                self._conn.close()

    @staticmethod
    def _probe(conn: psycopg.Connection[Any]) -> None:
        execute(conn, "listen/probe", "select 1")
