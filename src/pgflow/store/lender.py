"""Lends connections to one database: opens them as it was told to, and says why none can be had."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

import psycopg

from pgflow.errors import DatabaseUnavailableError
from pgflow.store.connections import AllBusyError, Connections, NotOpenedError
from pgflow.store.faults import Fault, UnansweredError, fault_of, unreachable
from pgflow.store.sending import let_go
from pgflow.store.statement import NO_SETTINGS
from pgflow.store.wire import Greeting, bounds, connect, shown_dsn, with_wire_limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pgflow.store.wire import Wire

logger = logging.getLogger("pgflow")

Prepares = Literal["auto", "on", "off"]

PATIENT_SECONDS: Final = 3_600.0
"""For what may rightly take long: a migration, a bucket, an audit."""


class Loan:
    """A connection in the hands of a block, which is given back when it ends; entered once."""

    __slots__ = ("_conn", "_is_bare", "_lender", "_to")

    def __init__(self, lender: Lender, conn: Wire, to: Connections, *, is_bare: bool = False) -> None:
        self._lender = lender
        self._conn = conn
        self._to = to
        self._is_bare = is_bare

    def __enter__(self) -> Wire:
        """Give the connection, without the settings it holds where it is to be bare."""
        self._lender.busy.add(self._conn)
        if self._is_bare:
            try:
                let_go(self._conn)
            except BaseException as error:
                self._end(error)
                raise
        return self._conn

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        """Take it back. Raises `UnansweredError` where no answer came."""
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        conn = self._conn
        try:
            if isinstance(error, psycopg.Error):
                conn.is_spent = fault_of(error) in (Fault.AWAY, Fault.TURNED)
                if conn.unanswered:
                    # what else was raised behind it, on a connection that was closed, hides why
                    raise UnansweredError(self._lender.unanswered) from error
        finally:
            self._lender.busy.discard(conn)
            self._to.give(conn)


class Lender:
    """At most `size` connections at once, opened when first needed and anew in a forked child."""

    def __init__(
        self, dsn: str, size: int, acquire_seconds: float, answer_seconds: float | None, prepare: Prepares, jit: str
    ) -> None:
        self._dsn = dsn
        self._conninfo = with_wire_limits(dsn)
        self._size = size
        self._acquire_seconds = acquire_seconds
        self._answer_seconds = answer_seconds
        self.bounds = bounds(answer_seconds)
        self._prepare = prepare
        self._jit = jit
        self._lock = threading.Lock()
        self._pid = 0
        self._connections: Connections | None = None
        self._offset: float | None = None
        self.busy: set[Wire] = set()
        self._is_direct = True

    def borrowed(self, wanted: Mapping[str, str] | None = None) -> Loan:
        """Lend a connection for a block: one that holds the settings `wanted`, or any; without, one that holds none.

        Raises `DatabaseUnavailableError` where none can be had.
        """
        connections = self._opened()
        conn = self._taken(connections, NO_SETTINGS if wanted is None else wanted)
        return Loan(self, conn, connections, is_bare=wanted is None)

    def resting(self, wanted: Mapping[str, str]) -> Loan | None:
        """Lend a connection that holds the settings `wanted` and is at hand; None where that takes a moment."""
        connections = self._opened()
        conn = connections.take_resting(wanted)
        return None if conn is None else Loan(self, conn, connections)

    @contextmanager
    def patient(self) -> Iterator[Wire]:
        """Open a connection for what may rightly take long, an hour at most for each statement; and close it."""
        try:
            conn, _ = connect(Greeting(self._conninfo, PATIENT_SECONDS, {}, prepares=False, jit=self._jit))
        except psycopg.Error as error:
            raise DatabaseUnavailableError(unreachable(error, shown_dsn(self._dsn))) from error
        with conn:
            yield conn

    @property
    def unanswered(self) -> str:
        """What is said where no answer came."""
        return f"no answer within {self._answer_seconds:g} s (PGFLOW_DB_ANSWER_TIMEOUT_SECS)"

    def offset(self) -> float:
        """Seconds the database's clock is ahead of this machine's, as the last connection found."""
        if self._offset is None:
            with self.borrowed():
                pass
        return self._offset or 0.0

    def drop_idle(self) -> None:
        """Close those that nobody uses."""
        self._opened().drop_idle()

    def abort(self) -> None:
        """Free the threads that wait for the database, by shutting their sockets down; then close."""
        for conn in list(self.busy):
            with (
                contextlib.suppress(psycopg.Error, OSError),
                socket.fromfd(conn.fileno(), socket.AF_INET, socket.SOCK_STREAM) as wire,
            ):
                wire.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        """Close the connections; the next loan opens them again."""
        with self._lock:
            connections, self._connections = self._connections, None
        if connections is not None and self._pid == os.getpid():
            connections.close()

    def goes_on_unprepared(self, error: psycopg.Error) -> bool:
        """Prepare nothing any more, since it does not last; False where that is not wished."""
        if self._prepare != "auto":
            # in other hands it may just have been found out
            return self._prepare == "off"
        self._prepare = "off"
        logger.warning(
            "a pooler hands sessions on, and prepared statements do not last (%s): going on without them; "
            "set PGFLOW_DB_PREPARE=off to say so",
            " ".join(str(error).split()),
        )
        self._opened().renew()
        return True

    def _taken(self, connections: Connections, wanted: Mapping[str, str]) -> Wire:
        try:
            return connections.take(self._acquire_seconds, wanted)
        except AllBusyError:
            busy = f"all {self._size} connections of the store were busy for {self._acquire_seconds:g} s"
            msg = f"{busy}: raise PGFLOW_DB_MAX_CONNECTIONS"
        except NotOpenedError:
            msg = (
                f"cannot reach the database at {shown_dsn(self._dsn)}: no connection within {self._acquire_seconds:g} s"
            )
        except psycopg.Error as error:
            raise DatabaseUnavailableError(unreachable(error, shown_dsn(self._dsn))) from error
        raise DatabaseUnavailableError(msg)

    def _opened(self) -> Connections:
        with self._lock:
            if self._connections is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self.busy = set()
                self._connections = Connections(self._connect, self._size)
            return self._connections

    def _connect(self) -> Wire:
        prepares = {"auto": None, "on": True, "off": False}[self._prepare]
        conn, self._offset = connect(Greeting(self._conninfo, self._answer_seconds, self.bounds, prepares, self._jit))
        # behind a pooler what another session listens for may come here, and would be kept
        conn.add_notify_handler(lambda _: None)
        if self._is_direct and not conn.is_direct:
            self._is_direct = False
            logger.info(
                "a pooler stands before the database at %s: %s",
                shown_dsn(self._dsn),
                "statements are prepared as PGFLOW_DB_PREPARE=on says" if prepares else "nothing is prepared",
            )
        return conn
