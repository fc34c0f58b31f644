"""What a database may raise, and what each means for the caller: one table, by SQLSTATE."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import TYPE_CHECKING, Final

import psycopg

from pgflow.errors import DatabaseUnavailableError, SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Mapping

StoreError = psycopg.Error
FAULTS = (DatabaseUnavailableError, psycopg.Error)
"""Any failure of a statement: the database does not answer, or refuses."""


class Fault(Enum):
    """What an error means: whether something may have changed, and of what use the connection still is."""

    PASSING = "nothing changed, and the same may well succeed at once"
    BUSY = "nothing changed, and the database cannot do it for now; the connection is good"
    TURNED = "nothing changed, and this connection, and those opened with it, are of no use any more"
    AWAY = "the connection is lost; what was sent last may have been done"
    UNPREPARED = "nothing changed: statements that were prepared are not there, or are another session's"
    NO_SCHEMA = "nothing changed: the database has no schema this version can use"
    REFUSED = "nothing changed: the statement is at fault, and will always be"


class UnansweredError(psycopg.OperationalError):
    """A statement was sent and its answer has not come in time; the connection has been given up."""


STATES: Final[Mapping[str, Fault]] = {
    "40001": Fault.PASSING,  # serialization_failure
    "40P01": Fault.PASSING,  # deadlock_detected
    "55P03": Fault.BUSY,  # lock_not_available
    "57014": Fault.BUSY,  # query_canceled: by statement_timeout, or by hand
    "55006": Fault.BUSY,  # object_in_use
    "58030": Fault.BUSY,  # io_error
    "25006": Fault.TURNED,  # read_only_sql_transaction: this server is a standby now, or was told to be read-only
    "25P02": Fault.TURNED,  # in_failed_sql_transaction: the session is not where it should be
    "25P03": Fault.TURNED,  # idle_in_transaction_session_timeout
    "25P04": Fault.TURNED,  # transaction_timeout
    "57P03": Fault.TURNED,  # cannot_connect_now: it starts, stops or recovers
    "57P04": Fault.TURNED,  # database_dropped
    "57P05": Fault.TURNED,  # idle_session_timeout
    "57P01": Fault.AWAY,  # admin_shutdown
    "57P02": Fault.AWAY,  # crash_shutdown
    "40003": Fault.AWAY,  # statement_completion_unknown
    "26000": Fault.UNPREPARED,  # invalid_sql_statement_name
    "42P05": Fault.UNPREPARED,  # duplicate_prepared_statement
    "42P01": Fault.NO_SCHEMA,  # undefined_table
    "3F000": Fault.NO_SCHEMA,  # invalid_schema_name
    "42703": Fault.NO_SCHEMA,  # undefined_column
    "42883": Fault.NO_SCHEMA,  # undefined_function
}
CLASSES: Final[Mapping[str, Fault]] = {
    "08": Fault.AWAY,  # connection exceptions; a pooler's, too, that lost its server in the middle
    "28": Fault.TURNED,  # invalid authorization
    "53": Fault.BUSY,  # insufficient resources: disk full, out of memory, too many connections
}


def fault_of(error: psycopg.Error) -> Fault:
    """Say what an error means."""
    state = error.sqlstate
    if state is None:
        lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
        return Fault.AWAY if lost else Fault.REFUSED
    if state == "0A000" and "cached plan" in str(error):
        return Fault.PASSING  # a migration changed what a prepared statement gives; psycopg prepares it anew
    if state == "23514" and error.diag.constraint_name is None:
        return Fault.PASSING  # a bucket was attached meanwhile: the row no longer belongs into the default partition
    return STATES.get(state) or CLASSES.get(state[:2], Fault.REFUSED)


def told(error: psycopg.Error, fault: Fault, where: str, *, in_doubt: bool) -> Exception:
    """Give what to raise for an error that was not got over, `where` being the database's shown address."""
    words = error.diag.message_primary or str(error)
    if fault is Fault.REFUSED:
        return error
    if fault is Fault.NO_SCHEMA:
        msg = f"the database has no pgflow schema this version can use ({words}): run `pgflow migrate`"
        return SchemaMismatchError(msg)
    return DatabaseUnavailableError(_says(error, fault, words, where), in_doubt=in_doubt)


def unreachable(error: BaseException, where: str) -> str:
    """Say that the database cannot be reached, and why."""
    return f"cannot reach the database at {where}: {' '.join(str(error).split()) or type(error).__name__}"


def _says(error: psycopg.Error, fault: Fault, words: str, where: str) -> str:
    if error.sqlstate == "57014":
        return "the database took too long to answer and was stopped: narrow the question, or ask again later"
    if error.sqlstate == "55P03":
        return "another session holds the tables locked: try again when it has ended"
    if fault is Fault.BUSY:
        return f"the database cannot do this for now ({words}): give it room, and try again"
    if fault is Fault.PASSING:
        return f"the database ended this again and again for the sake of others ({words}): try again"
    if fault is Fault.UNPREPARED:
        return f"prepared statements do not last here ({words}): PGFLOW_DB_PREPARE=off behind a pooler"
    return unreachable(error, where)


class Sent:
    """What became of a statement, or a transaction, over all its tries: whether any of them may have been done."""

    __slots__ = ("in_doubt", "may_be_done", "tries")

    def __init__(self) -> None:
        self.in_doubt = False
        self.may_be_done = False
        self.tries = 0


ROWS: Final = ("22", "23")  # data exceptions and violated constraints
TOO_MUCH: Final = ("54", "53200", "XX000")  # program limits, out of memory, "invalid memory alloc request size"


class Blame(StrEnum):
    """What a failed statement says of trying it again."""

    PASSING = "passing"
    """The same may pass later: the server is away, read-only, full, locked, or does not permit it yet."""
    ROWS = "rows"
    """What was sent is to blame: the same will never pass."""
    TOO_MUCH = "too much"
    """It was too large, or the server's memory too small: fewer rows may pass."""


def blame(error: BaseException) -> Blame:
    """Say what is to blame for the failure of a statement that is known to be right."""
    cause = error.__cause__ if isinstance(error, DatabaseUnavailableError) else error
    state = cause.sqlstate if isinstance(cause, psycopg.Error) else None
    if state is not None:
        if state.startswith(TOO_MUCH):
            return Blame.TOO_MUCH
        return Blame.ROWS if state.startswith(ROWS) else Blame.PASSING
    if isinstance(error, DatabaseUnavailableError) or isinstance(cause, psycopg.OperationalError):
        return Blame.PASSING
    # never reached the server: what cannot be written down, in this client's encoding too
    return Blame.ROWS
