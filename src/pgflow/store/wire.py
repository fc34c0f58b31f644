"""A connection that waits for no answer for ever, and knows whether a pooler stands between."""

from __future__ import annotations

import json
import selectors
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgflow.errors import SettingsError
from pgflow.store.sending import send
from pgflow.store.statement import NO_SETTINGS, load

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

T = TypeVar("T")

LIMITS: Final[dict[str, Any]] = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "pgflow",
}
PREPARES: Final = 1_000_000
"""Of statements not marked for it, none is prepared."""
GREET: Final = load("greet")
BOUND: Final = load("bound")


class Wire(psycopg.Connection[tuple[Any, ...]]):
    """A connection that is given up where the other side is silent for `answer_seconds` in the middle of a statement.

    Keepalives do not see that: a proxy, or the kernel of a server that has stopped, acknowledges what nobody reads.
    `is_direct` says that no pooler hands this session on to others. It `holds` the settings of the statement it ran
    last, None where that is not known, and `has_held` these names of them.
    """

    answer_seconds: float | None = None
    unanswered = False
    is_direct = True
    is_spent = False
    opened_at = 0.0
    rested_at = 0.0
    holds: Mapping[str, str] | None = NO_SETTINGS
    has_held: frozenset[str] = frozenset()
    _begins = False
    _begun: Any = None

    def __del__(self, *_: object) -> None:
        """End with the program, or with the pool, unwarned."""

    def begun(self, ask: Callable[[], T]) -> tuple[T, Generator[Any, Any, None]]:
        """Call what would wait here; gives its answer at once, and the generator that says for what it has to wait."""
        self._begins = True
        try:
            return ask(), self._begun
        finally:
            self._begins = False

    def wait(self, gen: Generator[Any, Any, T], *args: Any, **options: Any) -> T:
        """Wait as psycopg does, but not for ever."""
        if self._begins:
            self._begun = gen
            return None  # type: ignore[return-value]
        seconds = self.answer_seconds
        if seconds is not None:
            gen = self._listened(gen, seconds)
        return super().wait(gen, *args, **options)

    def _listened(self, gen: Generator[Any, Any, T], seconds: float) -> Generator[Any, Any, T]:
        # psycopg wakes each 0.1 s with nothing; counted from the first such time, so that what does not wait reads
        # no clock, and a process that was itself stopped finds the answer there before it is called late
        try:
            wants = next(gen)
            silent_since = 0.0
            while True:
                ready = yield wants
                if ready:
                    silent_since = 0.0
                elif not silent_since:
                    silent_since = time.monotonic()
                elif time.monotonic() - silent_since > seconds:
                    self.give_up()
                wants = gen.send(ready)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]

    @property
    def is_quiet(self) -> bool:
        """True where there is nothing to read. If nothing was asked, that would be a farewell, or the end."""
        if self.closed:
            return False
        with selectors.DefaultSelector() as selector:
            selector.register(self.fileno(), selectors.EVENT_READ)
            return not selector.select(0)

    def give_up(self) -> None:
        """Close it, since the other side is silent. Raises `OperationalError`."""
        self.unanswered = True
        self.close()
        msg = f"no answer for {self.answer_seconds:g} s"
        raise psycopg.OperationalError(msg)


class Greeting(NamedTuple):
    """How a connection is opened: what bounds it, whether it may prepare statements and has JIT `on` or `off`."""

    conninfo: str
    answer_seconds: float | None
    bounds: Mapping[str, str]
    prepares: bool | None
    jit: str = "off"


def connect(greeting: Greeting) -> tuple[Wire, float]:
    """Open a connection; gives it, and by how many seconds the database's clock is ahead. Raises what psycopg does.

    Where no pooler stands between, the bounds and the isolation are set for the session. With `prepares` None it
    prepares only then.
    """
    wire = Wire.connect(greeting.conninfo, autocommit=True, prepare_threshold=PREPARES)
    try:
        wire.answer_seconds = greeting.answer_seconds
        wire.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        before = time.time()
        [(clock, pid)] = send(wire, GREET, prepare=False)
        offset = float(clock) - (before + time.time()) / 2
        # a pooler makes up the process id it gives at first, and the server knows its own
        wire.is_direct = wire.pgconn.backend_pid == pid
        if not (wire.is_direct if greeting.prepares is None else greeting.prepares):
            wire.prepare_threshold = None
        if wire.is_direct:
            send(wire, BOUND, {"bounds": json.dumps(greeting.bounds), "jit": greeting.jit}, prepare=False)
    except BaseException:
        wire.close()
        raise
    wire.opened_at = wire.rested_at = time.monotonic()
    return wire, offset


def bounds(answer_seconds: float | None) -> dict[str, str]:
    """What a server is to hold statements to: a little less than a client waits, so that none outlives its caller."""
    if answer_seconds is None:
        return {}
    return {
        "statement_timeout": str(max(1, round(900 * answer_seconds))),
        "lock_timeout": str(max(1, round(333 * answer_seconds))),
        "idle_in_transaction_session_timeout": str(max(1, round(1000 * answer_seconds))),
    }


def with_wire_limits(dsn: str) -> str:
    """The DSN with keepalives and time limits, where it does not say otherwise. Raises `SettingsError`."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as error:
        msg = f"database_url cannot be read ({' '.join(str(error).split())}): use postgresql://user:password@host:port/name"
        raise SettingsError(msg) from None
    return make_conninfo(**{**LIMITS, **given})


def shown_dsn(dsn: str) -> str:
    """The DSN with its password masked."""
    try:
        given = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        return "(unreadable)"
    where = f"{given.get('host', 'localhost')}:{given.get('port', '5432')}/{given.get('dbname', '')}"
    return f"{given['user']}@{where}" if given.get("user") else where
