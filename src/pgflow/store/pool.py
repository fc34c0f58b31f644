"""The store's connections, and the two doors through which every statement of its own goes."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal, NoReturn, TypeVar

import anyio
import anyio.to_thread
import psycopg
from anyio.lowlevel import current_token

from pgflow.errors import DatabaseUnavailableError, SchemaMismatchError
from pgflow.store import points
from pgflow.store.connections import AllBusyError, Connections, NotOpenedError
from pgflow.store.faults import Fault, UnansweredError, fault_of, says
from pgflow.store.sending import execute, send, send_at_once, setting, transaction
from pgflow.store.statement import Statement, all_rows
from pgflow.store.wire import Greeting, bounds, connect, shown_dsn, with_wire_limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pgflow.store.sending import Transaction
    from pgflow.store.statement import Query
    from pgflow.store.wire import Wire

logger = logging.getLogger("pgflow")

Prepares = Literal["auto", "on", "off"]

T = TypeVar("T")

PASSING_TRIES: Final = 5
# for one transaction, and its first word: the store's connections are set to read committed, and stay so
FROZEN: Final = "set transaction isolation level repeatable read, read only"
ANSWER_SECONDS: Final = 30.0
PATIENT_SECONDS: Final = 3_600.0
"""For what may rightly take long: a migration, a bucket."""


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
        answer_seconds: float | None = ANSWER_SECONDS,
        prepare: Prepares = "auto",
    ) -> None:
        self.dsn = dsn
        self._conninfo = with_wire_limits(dsn)
        self._answer_seconds = answer_seconds
        self._bounds = bounds(answer_seconds)
        self._prepare = prepare
        self._relaxed, self._jit = relaxed, jit
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
        self._connections: Connections | None = None
        self._limiter: anyio.CapacityLimiter | None = None
        self._loop: object = None
        self._offset: float | None = None
        self._busy: set[Wire] = set()
        self._is_direct = True

    def beside(
        self, *, size: int, acquire_seconds: float, answer_seconds: float | None = None,
        reading_seconds: float | None = None,
    ) -> Pool:  # fmt: skip
        """Another pool for the same database, as this one was told to be; with a shorter wait for answers."""
        most = [seconds for seconds in (answer_seconds, self._answer_seconds) if seconds is not None]
        return Pool(
            self.dsn, size=size, acquire_seconds=acquire_seconds, relaxed=self._relaxed, jit=self._jit,
            reading_seconds=reading_seconds, answer_seconds=min(most, default=None), prepare=self._prepare,
        )  # fmt: skip

    def run(self, statement: Statement[T]) -> T:
        """Run one statement in this thread, in a transaction of its own.

        Deadlocks and serialization failures are tried again; so is a lost connection where the
        statement is repeatable. Raises `DatabaseUnavailableError` where the database does not answer.
        """
        query = statement.query
        return statement.read(
            self._attempt(lambda conn, _: self._execute(conn, query, statement.params), repeatable=query.repeatable)
        )

    async def arun(self, statement: Statement[T]) -> T:
        """Run one statement in a thread of the store's own; not interrupted by cancellation."""
        return await self.arun_call(lambda: self.run(statement))

    def together(self, work: Callable[[Callable[[Statement[Any]], Any]], T]) -> T:
        """Call `work(run)`: every statement it runs shares one transaction.

        It is called again after a deadlock, and where a connection was lost before the commit was sent; not where
        the commit's answer was, which `DatabaseUnavailableError.in_doubt` then says.
        """

        def body(conn: Wire, sent: Sent) -> T:
            sent.may_be_done = False
            with transaction(conn, self._local(conn)) as opened:
                result = work(opened.run)
                sent.may_be_done = True
            return result

        return self._attempt(body, repeatable=False)

    async def atogether(self, work: Callable[[Callable[[Statement[Any]], Any]], T]) -> T:
        """Do `together` in a thread of the store's own."""
        return await self.arun_call(lambda: self.together(work))

    def snapshot(self, work: Callable[[Callable[[Statement[Any]], Any]], T], *, seconds: float) -> T:
        """Call `work(run)`: every statement it runs sees the same moment, only reads, and ends after `seconds`."""
        settings = {"jit": "off", "work_mem": "64MB", "statement_timeout": f"{round(seconds * 1000)}ms"}

        def body(conn: Wire, _: Sent) -> T:
            with transaction(conn) as opened:
                execute(conn, "snapshot", FROZEN)
                opened.run(setting(settings))
                return work(opened.run)

        return self._attempt(body, repeatable=True)

    @contextmanager
    def transaction(self, *, patient: bool = False) -> Iterator[Transaction]:
        """Open a transaction for statements and enqueues that are stored together: `run` for those, `conn` for these.

        Unlike `together` it is not tried again, and what the database raises goes up as it is, one of `FAULTS`.
        What may rightly take long is `patient`.
        """
        with (
            self.patient() if patient else self.connection() as conn,
            transaction(conn, self._settings if patient and self._everywhere else self._local(conn)) as opened,
        ):
            yield opened

    def clock_offset(self) -> float:
        """Seconds the database's clock is ahead of this machine's, learnt with each new connection."""
        if self._offset is None:
            with self._borrowed():
                pass
        return self._offset or 0.0

    @contextmanager
    def connection(self) -> Iterator[Wire]:
        """Borrow a connection in autocommit mode. Raises `DatabaseUnavailableError` where it is lost."""
        try:
            with self._borrowed() as conn:
                yield conn
        except psycopg.Error as error:
            if fault_of(error) in (Fault.AWAY, Fault.TURNED):
                self._turn_away(error, in_doubt=True)
            raise

    @contextmanager
    def patient(self) -> Iterator[Wire]:
        """Open a connection for what may rightly take long, an hour at most for each statement; and close it."""
        try:
            conn, _ = connect(Greeting(self._conninfo, PATIENT_SECONDS, {}, prepares=False))
        except psycopg.Error as error:
            raise DatabaseUnavailableError(self._why(error)) from error
        with conn:
            yield conn

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
            connections, self._connections = self._connections, None
        if connections is not None and self._pid == os.getpid():
            connections.close()

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

    def _attempt(self, work: Callable[[Wire, Sent], T], *, repeatable: bool) -> T:
        sent = Sent()
        for left in range(PASSING_TRIES, -1, -1):
            try:
                with self._borrowed() as conn:
                    sent.may_be_done = True
                    return work(conn, sent)
            except DatabaseUnavailableError as error:
                error.in_doubt = sent.in_doubt
                raise
            except psycopg.Error as error:
                fault = fault_of(error)
                if not left or not self._goes_on(error, fault, sent, repeatable=repeatable):
                    self._raise(error, fault, sent)
                if fault is Fault.PASSING:
                    time.sleep(0.01 * (PASSING_TRIES - left + 1))
        raise AssertionError

    def _goes_on(self, error: psycopg.Error, fault: Fault, sent: Sent, *, repeatable: bool) -> bool:
        if fault is Fault.PASSING:
            return True
        if fault is Fault.UNPREPARED and self._prepare == "auto":
            self._prepare_no_more(error)
            return True
        if fault not in (Fault.AWAY, Fault.TURNED):
            return False
        # what one connection has met, those opened with it will
        self._opened().drop_idle()
        if fault is Fault.AWAY and sent.may_be_done:
            sent.in_doubt = True
        if isinstance(error, UnansweredError) or sent.tries:
            return False
        sent.tries += 1
        return repeatable or not sent.in_doubt

    def _raise(self, error: psycopg.Error, fault: Fault, sent: Sent) -> NoReturn:
        if fault is Fault.NO_SCHEMA:
            lacks = f"the database has no pgflow schema this version can use ({error.diag.message_primary})"
            msg = f"{lacks}: run `pgflow migrate`"
            raise SchemaMismatchError(msg) from error
        if fault is Fault.REFUSED:
            raise error
        if fault is Fault.BUSY:
            raise DatabaseUnavailableError(says(error), in_doubt=sent.in_doubt) from error
        if fault is Fault.PASSING:
            ended = f"the database ended this {PASSING_TRIES + 1} times for the sake of others"
            msg = f"{ended} ({error.diag.message_primary}): try again"
            raise DatabaseUnavailableError(msg, in_doubt=sent.in_doubt) from error
        if fault is Fault.UNPREPARED:
            lost = f"prepared statements do not last here ({error.diag.message_primary})"
            msg = f"{lost}: PGFLOW_DB_PREPARE=off behind a pooler that hands sessions on"
            raise DatabaseUnavailableError(msg, in_doubt=sent.in_doubt) from error
        self._turn_away(error, in_doubt=sent.in_doubt)

    def _turn_away(self, error: psycopg.Error, *, in_doubt: bool) -> NoReturn:
        raise DatabaseUnavailableError(self._why(error), in_doubt=in_doubt) from error

    def _prepare_no_more(self, error: psycopg.Error) -> None:
        self._prepare = "off"
        logger.warning(
            "a pooler hands sessions on, and prepared statements do not last (%s): going on without them; "
            "set PGFLOW_DB_PREPARE=off to say so",
            " ".join(str(error).split()),
        )
        self._opened().renew()

    def _execute(self, conn: Wire, query: Query, params: Any) -> list[tuple[Any, ...]]:
        settings = self._local(conn, query.settings)
        if points.watcher is not None:
            # the statement and its commit would travel together, and nobody could stand between them
            with transaction(conn, settings) as opened:
                return opened.run(Statement(query, params, all_rows))
        return send(conn, query, params) if settings is None else send_at_once(conn, query, params, settings)

    def _local(self, conn: Wire, wanted: Mapping[str, str] | None = None) -> Mapping[str, str] | None:
        if not conn.is_direct:
            return {**self._bounds, **(wanted or {}), **self._settings}
        return {**(wanted or {}), **self._settings} if wanted or self._everywhere else None

    @contextmanager
    def _borrowed(self) -> Iterator[Wire]:
        connections = self._opened()
        conn = self._taken(connections)
        try:
            self._busy.add(conn)
            yield conn
        except psycopg.Error as error:
            conn.is_spent = fault_of(error) in (Fault.AWAY, Fault.TURNED)
            if conn.unanswered:
                # what else was raised behind it, on a connection that was closed, hides why
                msg = f"no answer within {self._answer_seconds:g} s (PGFLOW_DB_ANSWER_TIMEOUT_SECS)"
                raise UnansweredError(msg) from error
            raise
        finally:
            self._busy.discard(conn)
            connections.give(conn)

    def _taken(self, connections: Connections) -> Wire:
        try:
            return connections.take(self._acquire_seconds)
        except AllBusyError:
            busy = f"all {self._size} connections of the store were busy for {self._acquire_seconds:g} s"
            msg = f"{busy}: raise PGFLOW_DB_MAX_CONNECTIONS"
        except NotOpenedError:
            msg = (
                f"cannot reach the database at {shown_dsn(self.dsn)}: no connection within {self._acquire_seconds:g} s"
            )
        except psycopg.Error as error:
            raise DatabaseUnavailableError(self._why(error)) from error
        raise DatabaseUnavailableError(msg)

    def _opened(self) -> Connections:
        with self._lock:
            if self._connections is None or self._pid != os.getpid():
                self._pid = os.getpid()
                self._limiter = None
                self._busy = set()
                self._connections = Connections(self._connect, self._size)
            return self._connections

    def _connect(self) -> Wire:
        prepares = {"auto": None, "on": True, "off": False}[self._prepare]
        conn, self._offset = connect(Greeting(self._conninfo, self._answer_seconds, self._bounds, prepares))
        # behind a pooler what another session listens for may come here, and would be kept
        conn.add_notify_handler(lambda _: None)
        if self._is_direct and not conn.is_direct:
            self._is_direct = False
            logger.info(
                "a pooler stands before the database at %s: %s",
                shown_dsn(self.dsn),
                "statements are prepared as PGFLOW_DB_PREPARE=on says" if prepares else "nothing is prepared",
            )
        return conn

    def _why(self, error: BaseException) -> str:
        reason = " ".join(str(error).split()) or type(error).__name__
        return f"cannot reach the database at {shown_dsn(self.dsn)}: {reason}"


class Sent:
    """What became of a statement, or a transaction, over all its tries: whether any of them may have been done."""

    __slots__ = ("in_doubt", "may_be_done", "tries")

    def __init__(self) -> None:
        self.in_doubt = False
        self.may_be_done = False
        self.tries = 0
