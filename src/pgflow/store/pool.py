"""The store's connections, and the two doors through which every statement of its own goes."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import anyio
import anyio.to_thread
import psycopg
from anyio.lowlevel import current_token

from pgflow.errors import DatabaseUnavailableError
from pgflow.store import points
from pgflow.store.driving import send_driven
from pgflow.store.faults import Fault, Sent, UnansweredError, fault_of, told
from pgflow.store.lender import Lender
from pgflow.store.sending import execute, let_go, send, send_at_once, send_held, setting, transaction
from pgflow.store.statement import Statement, all_rows
from pgflow.store.wire import shown_dsn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pgflow.store.lender import Prepares
    from pgflow.store.sending import Transaction
    from pgflow.store.statement import Query, Rows
    from pgflow.store.wire import Wire

T = TypeVar("T")

PASSING_TRIES: Final = 5
ANSWER_SECONDS: Final = 30.0
# for one transaction, and its first word: the store's connections are set to read committed, and stay so
FROZEN: Final = "set transaction isolation level repeatable read, read only"


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
        self._jit = jit
        self._lender = Lender(dsn, size, acquire_seconds, answer_seconds, prepare, "on" if jit else "off")
        self._answer_seconds = answer_seconds
        self._prepare = prepare
        self._relaxed = relaxed
        self._size = size
        self._settings = {"synchronous_commit": "off"} if relaxed else {}
        if reading_seconds is not None:
            self._settings["transaction_read_only"] = "on"
            self._settings["statement_timeout"] = f"{round(reading_seconds * 1000)}ms"
        # what is set for all is set in each transaction: a pooler hands sessions on, and keeps no startup options
        self._everywhere = relaxed or reading_seconds is not None
        self._limiter: anyio.CapacityLimiter | None = None
        self._loop: object = None

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
        return self._run(statement)

    async def arun(self, statement: Statement[T]) -> T:
        """Run one statement, as `run` does, without holding the event loop up; not interrupted by cancellation.

        It is driven from the loop where a connection is at hand, and else, or where that fails, goes to a thread.
        """
        met: psycopg.Error | None = None
        try:
            rows = await self._driven(statement)
        except psycopg.Error as error:
            met = error
        else:
            if rows is not None:
                return statement.read(rows)
        return await self.arun_call(lambda: self._run(statement, met))

    def together(self, work: Callable[[Callable[[Statement[Any]], Any]], T], *, repeatable: bool = False) -> T:
        """Call `work(run)`: every statement it runs shares one transaction.

        It is called again after a deadlock, and where a connection was lost before the commit was sent. Where the
        commit's answer was, it is only where `repeatable` says that this does no harm; else, and where the second
        try is lost too, `DatabaseUnavailableError.in_doubt` says so.
        """

        def body(conn: Wire, sent: Sent) -> T:
            sent.may_be_done = False
            with transaction(conn, self._local(conn)) as opened:
                result = work(opened.run)
                sent.may_be_done = True
            return result

        return self._attempt(body, repeatable=repeatable)

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

        return self._attempt(body, repeatable=True, patient=True)

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
        return self._lender.offset()

    @contextmanager
    def connection(self) -> Iterator[Wire]:
        """Borrow a connection in autocommit mode. Raises `DatabaseUnavailableError` where it is lost."""
        try:
            with self._lender.borrowed() as conn:
                yield conn
        except psycopg.Error as error:
            if (fault := fault_of(error)) in (Fault.AWAY, Fault.TURNED):
                raise told(error, fault, shown_dsn(self.dsn), in_doubt=True) from error
            raise

    @contextmanager
    def patient(self) -> Iterator[Wire]:
        """Open a connection for what may rightly take long, an hour at most for each statement; and close it."""
        with self._lender.patient() as conn:
            yield conn

    def abort(self) -> None:
        """Free the threads that wait for the database, by shutting their sockets down; then close."""
        self._lender.abort()

    def close(self) -> None:
        """Close the connections; the next statement opens them again."""
        self._lender.close()

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

    async def _driven(self, statement: Statement[Any]) -> Rows | None:
        loan = self._lender.resting(statement.query.settings)
        if loan is None:
            return None
        with loan as conn:
            if statement.query.copies or not self._may_hold(conn):
                return None
            with anyio.CancelScope(shield=True):
                rows = await send_driven(conn, statement.query, statement.params)
            return rows  # noqa: RET504 - as in `arun_call`

    def _run(self, statement: Statement[T], met: psycopg.Error | None = None) -> T:
        query = statement.query
        return statement.read(
            self._attempt(
                lambda conn, _: self._execute(conn, query, statement.params),
                repeatable=query.repeatable, wanted=query.settings, met=met,
            )
        )  # fmt: skip

    def _attempt(
        self, work: Callable[[Wire, Sent], T], *, repeatable: bool, patient: bool = False,
        wanted: Mapping[str, str] | None = None, met: psycopg.Error | None = None,
    ) -> T:  # fmt: skip
        # `met` is how the first try ended, where it was made already
        sent = Sent()
        for left in range(PASSING_TRIES, -1, -1):
            try:
                if met is not None:
                    error, met = met, None
                    sent.may_be_done = True
                    raise error
                with self.patient() if patient else self._lender.borrowed(wanted) as conn:
                    sent.may_be_done = True
                    return work(conn, sent)
            except DatabaseUnavailableError as error:
                error.in_doubt = sent.in_doubt
                raise
            except psycopg.Error as error:
                fault = fault_of(error)
                if fault is Fault.REFUSED:
                    raise
                if not left or not self._goes_on(error, fault, sent, repeatable=repeatable):
                    raise told(error, fault, shown_dsn(self.dsn), in_doubt=sent.in_doubt) from error
                if fault is Fault.PASSING:
                    time.sleep(0.01 * (PASSING_TRIES - left + 1))
        raise AssertionError

    def _goes_on(self, error: psycopg.Error, fault: Fault, sent: Sent, *, repeatable: bool) -> bool:
        if fault is Fault.PASSING:
            return True
        if fault is Fault.UNPREPARED:
            return self._lender.goes_on_unprepared(error)
        if fault not in (Fault.AWAY, Fault.TURNED):
            return False
        # what one connection has met, those opened with it will
        self._lender.drop_idle()
        if fault is Fault.AWAY and sent.may_be_done:
            sent.in_doubt = True
        if isinstance(error, UnansweredError) or sent.tries:
            return False
        sent.tries += 1
        return repeatable or not sent.in_doubt

    def _execute(self, conn: Wire, query: Query, params: Any) -> list[tuple[Any, ...]]:
        if self._may_hold(conn):
            return send_held(conn, query, params)
        settings = self._local(conn, query.settings)
        if points.watcher is not None:
            # the statement and its commit would travel together, and nobody could stand between them
            let_go(conn)
            with transaction(conn, settings) as opened:
                return opened.run(Statement(query, params, all_rows))
        if settings is None:
            return send(conn, query, params, prepare=query.prepares)
        return send_at_once(conn, query, params, settings)

    def _may_hold(self, conn: Wire) -> bool:
        # whether a statement may run by itself, under settings that its session holds
        return points.watcher is None and conn.is_direct and not self._everywhere

    def _local(self, conn: Wire, wanted: Mapping[str, str] | None = None) -> Mapping[str, str] | None:
        if not conn.is_direct:
            return {"jit": "on" if self._jit else "off", **self._lender.bounds, **(wanted or {}), **self._settings}
        return {**(wanted or {}), **self._settings} if wanted or self._everywhere else None
