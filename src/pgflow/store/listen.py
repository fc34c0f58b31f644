"""The doorbell's ear: LISTEN on a connection of its own, waited for on the event loop without a parked thread."""

from __future__ import annotations

import threading
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Self

import anyio
import anyio.to_thread
import psycopg

from pgflow.errors import DatabaseUnavailableError
from pgflow.store.faults import Fault, fault_of
from pgflow.store.sending import execute, send
from pgflow.store.statement import Query
from pgflow.store.wire import Greeting, connect, shown_dsn, with_wire_limits

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pgflow.store.wire import Wire

PROBE_SECONDS: Final = 30.0
ANSWER_SECONDS: Final = 10.0
SUBSCRIBE_SECONDS: Final = 45.0
HEARD_SECONDS: Final = 2.0
RING: Final = Query("listen/ring", "select pg_notify('pgflow_ear', %(token)s)")


class Listener:
    """Yields the queue's name each time the bell is rung. A notification is a hint: polling is the truth.

    A pooler that hands sessions on takes LISTEN and passes nothing on: `hears` says whether a ring of its own came
    through, and where it is false there is nothing to wait for.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._conn: Wire | None = None
        self._is_over = False
        self._lock = threading.Lock()
        self.hears = False

    async def __aenter__(self) -> Self:
        """Connect and subscribe. Raises `DatabaseUnavailableError`."""
        try:
            with anyio.fail_after(SUBSCRIBE_SECONDS):
                await anyio.to_thread.run_sync(self._connect, abandon_on_cancel=True)
        except TimeoutError as error:
            self._close()
            msg = f"cannot listen at {shown_dsn(self._dsn)}: no answer within {SUBSCRIBE_SECONDS:g} s"
            raise DatabaseUnavailableError(msg) from error
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
        while self.hears and conn is not None and not conn.closed:
            with anyio.move_on_after(PROBE_SECONDS):
                await anyio.wait_readable(conn.fileno())
            try:
                names = [note.payload for note in conn.notifies(timeout=0)]
                if not names:
                    await anyio.to_thread.run_sync(self._probe, conn, abandon_on_cancel=True)
                    names = [note.payload for note in conn.notifies(timeout=0)]
            except psycopg.OperationalError:
                return
            for name in dict.fromkeys(names):
                yield name

    def _connect(self) -> None:
        greeting = Greeting(with_wire_limits(self._dsn), ANSWER_SECONDS, {}, prepares=False)
        try:
            conn, _ = connect(greeting)
            try:
                hears = _proves_itself(conn, greeting)
                if hears:
                    execute(conn, "listen", "listen pgflow")
            except BaseException:
                conn.close()
                raise
        except psycopg.Error as error:
            msg = f"cannot listen at {shown_dsn(self._dsn)}: {' '.join(str(error).split())}"
            raise DatabaseUnavailableError(msg) from error
        with self._lock:
            # whoever asked may have been cancelled meanwhile, and nobody else would close it
            if self._is_over:
                conn.close()
            else:
                self._conn, self.hears = conn, hears

    def _close(self) -> None:
        with self._lock:
            self._is_over = True
            if self._conn is not None:
                self._conn.close()

    @staticmethod
    def _probe(conn: Wire) -> None:
        execute(conn, "listen/probe", "select 1")


def _proves_itself(conn: Wire, greeting: Greeting) -> bool:
    # rung from another connection: a session of the server's that rings itself is heard by whoever has it just then;
    # and on a channel of its own, since a session behind a pooler goes on hearing, whoever gets it next
    token = uuid.uuid4().hex
    try:
        execute(conn, "listen/ear", "listen pgflow_ear")
    except psycopg.Error as error:
        if fault_of(error) is not Fault.REFUSED:
            raise
        return False
    other, _ = connect(greeting)
    with other:
        send(other, RING, {"token": token}, prepare=False)
    heard = any(note.payload == token for note in conn.notifies(timeout=HEARD_SECONDS))
    with suppress(psycopg.ProgrammingError):
        execute(conn, "listen/enough", "unlisten pgflow_ear")
    return heard
