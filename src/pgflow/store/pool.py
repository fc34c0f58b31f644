"""The store's connections, and the two doors through which every statement of its own goes."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread
import psycopg
import psycopg_pool
from anyio.lowlevel import current_token
from psycopg import errors as pg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgflow.errors import DatabaseUnavailableError, SchemaMismatchError, SettingsError
from pgflow.store.statement import load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.store.statement import Query, Statement

T = TypeVar("T")

WIRE: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "pgflow",
}
PASSING: Final = (pg.DeadlockDetected, pg.SerializationFailure)
NO_SCHEMA: Final = (pg.UndefinedTable, pg.InvalidSchemaName, pg.UndefinedColumn, pg.UndefinedFunction)
PASSING_TRIES: Final = 5
SET_LOCAL: Final = "select set_config(name, value, true) from json_each_text(%(settings)s::json) as s (name, value)"
CLOCK: Final = load("clock")


class Pool:
    """Runs statements on a few connections, opened when first needed and anew in a forked child.

    With `reading_seconds` it only reads, in transactions that end a statement after so many seconds.
    """

    def __init__(
        self,
        dsn: str,
        *,
        size: int = 4,
        acquire_seconds: float = 10.0,
        relaxed: bool = False,
        jit: bool = False,
        reading_seconds: float | None = None,
    ) -> None:
        self.dsn = dsn
        self._conninfo = with_wire_limits(dsn)
        self._size = size
        self._acquire_seconds = acquire_seconds
        self._settings = {"jit": "on" if jit else "off", **({"synchronous_commit": "off"} if relaxed else {})}
        if reading_seconds is not None:
            self._settings["transaction_read_only"] = "on"
            self._settings["statement_timeout"] = f"{round(reading_seconds * 1000)}ms"
        # what is set for all is set in each transaction: a pooler hands sessions on, and keeps no startup options
        self._everywhere = relaxed or reading_seconds is not None
        self._lock = threading.Lock()
        self._pid = 0
        self._pool: psycopg_pool.ConnectionPool[psycopg.Connection[tuple[Any, ...]]] | None = None
        self._limiter: anyio.CapacityLimiter | None = None
        self._loop: object = None
        self._offset: float | None = None
        self._busy: set[psycopg.Connection[tuple[Any, ...]]] = set()

    def run(self, statement: Statement[T]) -> T:
        """Run one statement in this thread, in a transaction of its own.

        Deadlocks and serialization failures are tried again; so is a lost connection where the
        statement is repeatable. Raises `DatabaseUnavailableError` where the database does not answer.
        """
        return statement.read(
            self._attempt(lambda conn: self._execute(conn, statement.query, statement.params), statement.query)
        )

    async def arun(self, statement: Statement[T]) -> T:
        """Run one statement in a thread of the store's own; not interrupted by cancellation."""
        return await self.arun_call(lambda: self.run(statement))

    def together(self, work: Callable[[Callable[[Statement[Any]], Any]], T]) -> T:
        """Call `work(run)`: every statement it runs shares one transaction. It may be called again after a deadlock."""

        def body(conn: psycopg.Connection[tuple[Any, ...]]) -> T:
            def run(statement: Statement[Any]) -> Any:
                return statement.read(_rows(conn, statement.query, statement.params))

            with conn.transaction():
                if self._everywhere:
                    conn.execute(SET_LOCAL, {"settings": json.dumps(self._settings)}, prepare=True)
                return work(run)

        return self._attempt(body, None)

    async def atogether(self, work: Callable[[Callable[[Statement[Any]], Any]], T]) -> T:
        """Do `together` in a thread of the store's own."""
        return await self.arun_call(lambda: self.together(work))

    def clock_offset(self) -> float:
        """Seconds the database's clock is ahead of this machine's, learnt once per process."""
        if self._offset is None:
            self._knock()
        return self._offset or 0.0

    @contextmanager
    def connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Borrow a connection in autocommit mode."""
        pool = self._opened()
        try:
            conn = pool.getconn(self._acquire_seconds)
        except psycopg_pool.PoolTimeout as error:
            self._knock()
            busy = f"all {self._size} connections of the store were busy for {self._acquire_seconds:g} s"
            msg = f"{busy}: raise PGFLOW_DB_MAX_CONNECTIONS"
            raise DatabaseUnavailableError(msg) from error
        try:
            self._busy.add(conn)
            yield conn
        finally:
            self._busy.discard(conn)
            pool.putconn(conn)

    def abort(self) -> None:
        """Free the threads that wait for the database, by shutting their sockets down; then close."""
        for conn in list(self._busy):
            with (
                contextlib.suppress(psycopg.Error, OSError),
                socket.fromfd(conn.fileno(), socket.AF_INET, socket.SOCK_STREAM) as wire,
            ):
                wire.shutdown(socket.SHUT_RDWR)
        self.close()

    def close(self) -> None:
        """Close the connections; the next statement opens them again."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None and self._pid == os.getpid():
            pool.close(timeout=1.0)

    async def arun_call(self, call: Callable[[], T]) -> T:
        """Call something that uses this pool in a thread of the store's own; not interrupted by cancellation.

        A cancelled claim that committed would lose its jobs until the lease ends.
        """
        loop = current_token()
        if self._limiter is None or self._loop is not loop:
            # a limiter belongs to one event loop: the next one, of the other kind perhaps, needs its own
            self._limiter, self._loop = anyio.CapacityLimiter(self._size), loop
        with anyio.CancelScope(shield=True):
            answer = await anyio.to_thread.run_sync(call, limiter=self._limiter)
        return answer  # noqa: RET504 - a return within the scope hides from type checkers that it always comes

    def _attempt(self, work: Callable[[psycopg.Connection[tuple[Any, ...]]], T], query: Query | None) -> T:
        repeatable = query is not None and query.repeatable
        for left in range(PASSING_TRIES, -1, -1):
            try:
                with self.connection() as conn:
                    return work(conn)
            except PASSING:
                if not left:
                    raise
                time.sleep(0.01 * (PASSING_TRIES - left + 1))
            except NO_SCHEMA as error:
                lacks = f"the database has no pgflow schema this version can use ({error.diag.message_primary})"
                msg = f"{lacks}: run `pgflow migrate`"
                raise SchemaMismatchError(msg) from error
            except pg.QueryCanceled as error:
                msg = "the database took too long to answer and was stopped: narrow the question, or ask again later"
                raise DatabaseUnavailableError(msg) from error
            except pg.LockNotAvailable as error:
                msg = "another session holds the tables locked: try again when it has ended"
                raise DatabaseUnavailableError(msg) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                if not (repeatable and left == PASSING_TRIES):
                    raise DatabaseUnavailableError(self._why(error)) from error
                self._opened().check()
        raise AssertionError

    def _execute(self, conn: psycopg.Connection[tuple[Any, ...]], query: Query, params: Any) -> list[tuple[Any, ...]]:
        if not (query.settings or self._everywhere):
            return _rows(conn, query, params)
        with conn.pipeline():
            conn.execute("begin isolation level read committed")
            conn.execute(SET_LOCAL, {"settings": json.dumps({**query.settings, **self._settings})}, prepare=True)
            cursor = conn.execute(query.text, params, prepare=True)
            conn.execute("commit")
        return cursor.fetchall() if cursor.description else []

    def _opened(self) -> psycopg_pool.ConnectionPool[psycopg.Connection[tuple[Any, ...]]]:
        with self._lock:
            if self._pool is None or self._pid != os.getpid():
                self._knock()
                self._pid = os.getpid()
                self._limiter = None
                self._pool = psycopg_pool.ConnectionPool(
                    self._conninfo,
                    min_size=0,
                    max_size=self._size,
                    max_idle=60,
                    open=False,
                    configure=_read_committed,
                    kwargs={"autocommit": True, "prepare_threshold": 1_000_000},
                    reconnect_timeout=1,
                    name="pgflow",
                )
                self._pool.open()
            return self._pool

    def _knock(self) -> None:
        # the pool hides why it cannot connect; a connection of our own tells, and tells the clock too
        try:
            with psycopg.connect(self._conninfo, autocommit=True) as conn:
                self._offset = _measure_offset(conn)
                self._everywhere |= _prefers_another_isolation(conn)
        except psycopg.OperationalError as error:
            raise DatabaseUnavailableError(self._why(error)) from error

    def _why(self, error: BaseException) -> str:
        reason = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
        return f"cannot reach the database at {shown_dsn(self.dsn)}: {reason}"


def _rows(conn: psycopg.Connection[tuple[Any, ...]], query: Query, params: Any) -> list[tuple[Any, ...]]:
    cursor = conn.execute(query.text, params, prepare=True)
    rows = cursor.fetchall() if cursor.description else []
    if query.looks_twice and not rows:
        rows = conn.execute(query.text, params, prepare=True).fetchall()
    return rows


def _read_committed(conn: psycopg.Connection[tuple[Any, ...]]) -> None:
    # under repeatable read the fence raises, and a count behind a lock is older than the lock
    conn.isolation_level = psycopg.IsolationLevel.READ_COMMITTED


def _prefers_another_isolation(conn: psycopg.Connection[tuple[Any, ...]]) -> bool:
    # a statement alone, in autocommit mode, has the isolation of its database or role, not that of its connection
    row = conn.execute("select current_setting('transaction_isolation') <> 'read committed'").fetchone()
    return bool(row and row[0])


def _measure_offset(conn: psycopg.Connection[tuple[Any, ...]]) -> float:
    before = time.time()
    row = conn.execute(CLOCK.text).fetchone()
    after = time.time()
    return float(row[0]) - (before + after) / 2 if row else 0.0


def with_wire_limits(dsn: str) -> str:
    """The DSN with keepalives and time limits, where it does not say otherwise. Raises `SettingsError`."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        msg = f"database_url cannot be read ({' '.join(str(error).split())}): use postgresql://user:password@host:port/name"
        raise SettingsError(msg) from None
    return make_conninfo(**{**WIRE, **given})


def shown_dsn(dsn: str) -> str:
    """The DSN with its password masked."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "(unreadable)"
    where = f"{given.get('host', 'localhost')}:{given.get('port', '5432')}/{given.get('dbname', '')}"
    return f"{given['user']}@{where}" if given.get("user") else where
