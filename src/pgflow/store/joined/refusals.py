"""What is said to those who give something else than a usable connection: what it was, and what to give instead."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from pgflow.errors import ArgumentError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENTER: Final = "enter it first, `with … as conn` or `async with … as conn`, and give conn"
_POOL: Final = "take a connection from it, and give that"
_ENGINE: Final = "give a connection or session of it, such as that of `with engine.begin() as conn`"
_FACTORY: Final = "call it, and give the session"
_CURSOR: Final = "give the connection it belongs to"
_TRANSACTION: Final = "give the connection or session it was begun on"

REMEDIES: Final = {
    # a str or bytes is not repeated in the message: a URL holds a password
    "str": 'give the connection itself, such as django.db.connections["default"]',
    "bytes": "give the connection itself",
    "coroutine": "await it first",
    "contextlib._GeneratorContextManager": _ENTER,
    "contextlib._AsyncGeneratorContextManager": _ENTER,
    "psycopg._cursor_base.BaseCursor": _CURSOR,
    "psycopg.transaction.BaseTransaction": _TRANSACTION,
    "psycopg._pipeline_base.BasePipeline": "give the connection it was opened on, which stays in pipeline mode",
    "psycopg_pool.base.BasePool": _POOL,
    "psycopg2.extensions.cursor": _CURSOR,
    "asyncpg.pool.Pool": _POOL,
    "asyncpg.pool.PoolAcquireContext": "await it first, or enter it with `async with … as conn`",
    "asyncpg.transaction.Transaction": _TRANSACTION,
    "sqlalchemy.engine.base.Engine": _ENGINE,
    "sqlalchemy.ext.asyncio.engine.AsyncEngine": _ENGINE,
    "sqlalchemy.orm.session.sessionmaker": _FACTORY,
    "sqlalchemy.ext.asyncio.session.async_sessionmaker": _FACTORY,
    "sqlalchemy.engine.base.Transaction": _TRANSACTION,
    "sqlalchemy.orm.session.SessionTransaction": _TRANSACTION,
    "sqlalchemy.ext.asyncio.engine.AsyncTransaction": _TRANSACTION,
    "sqlalchemy.ext.asyncio.session.AsyncSessionTransaction": _TRANSACTION,
    "sqlalchemy.pool.base.PoolProxiedConnection": "give its `driver_connection`",
    "flask_sqlalchemy.extension.SQLAlchemy": "give its `session`",
    "django.utils.connection.BaseConnectionHandler": 'give one connection of it, such as connections["default"]',
}
_ACCEPTED: Final = "give a connection of psycopg, psycopg2, asyncpg, SQLAlchemy (or a session) or Django to PostgreSQL"

_FAILED_TRANSACTION: Final = "25P02"
_NO_SUCH_TABLE: Final = frozenset({"42P01", "3F000"})
_FAILED_CLASSES: Final = frozenset(
    {
        "psycopg.errors.PipelineAborted",
        "sqlalchemy.exc.PendingRollbackError",
        "django.db.transaction.TransactionManagementError",
    }
)
_UNUSABLE: Final = {
    "sqlalchemy.exc.UnboundExecutionError": "with no single database: give `session.connection(bind_arguments=…)`",
    "sqlalchemy.ext.asyncio.exc.AsyncContextNotStarted": "that is not open yet: await it first, or enter it",
}
_NOT_MIGRATED: Final = (
    "pgflow's tables are not in the database of the connection given as conn: "
    "give one to the app's own database, or run `pgflow migrate` on this one"
)
_MOST_CAUSES: Final = 8


def class_names(given: type) -> list[str]:
    """Return the dotted names of a class and its bases, nearest first; a builtin's has no module."""
    return [_dotted(base) for base in given.__mro__]


def kind(given: object) -> str:
    """Name what was given, by its class: never by its repr, which may hold a password."""
    return _dotted(given.__class__)


def _dotted(given: type) -> str:
    return given.__qualname__ if given.__module__ == "builtins" else f"{given.__module__}.{given.__qualname__}"


def stranger(given: object) -> ArgumentError:
    """Make the error for what is no connection at all."""
    remedy = next((REMEDIES[name] for name in class_names(given.__class__) if name in REMEDIES), _ACCEPTED)
    return ArgumentError(f"conn is a {kind(given)}, not a connection pgflow can use: {remedy}")


def not_postgresql(given: object, database: str) -> ArgumentError:
    """Make the error for a connection to another database."""
    msg = f"conn is a {kind(given)} to {database}, and jobs are kept in PostgreSQL: leave conn out, or {_ACCEPTED}"
    return ArgumentError(msg)


def failed(given: object) -> ArgumentError:
    """Make the error for a connection whose transaction can only be rolled back."""
    msg = (
        f"conn is a {kind(given)} in a failed transaction: "
        "roll it back, or back to a savepoint set before the failure, then enqueue"
    )
    return ArgumentError(msg)


def refuse_closed(given: object, *, closed: bool) -> None:
    """Raise `ArgumentError` where the connection is closed."""
    if closed:
        msg = f"conn is a closed {kind(given)}: give an open one"
        raise ArgumentError(msg)


@contextmanager
def explained(given: object) -> Iterator[None]:
    """Let the library's own errors through, but for those that mean a connection nothing could have run on.

    That no look at the connection is needed before saves a round trip, and serves every driver alike.
    Raises `ArgumentError` for a failed transaction, a session without one database and a connection never opened.
    """
    try:
        yield
    except ArgumentError:
        raise
    except Exception as error:
        causes = _causes(error)
        if any(_means_failed(cause) for cause in causes):
            raise failed(given) from error
        if unusable := _UNUSABLE.get(_dotted(type(error))):
            msg = f"conn is a {kind(given)} {unusable}"
            raise ArgumentError(msg) from error
        if any(_sqlstate(cause) in _NO_SUCH_TABLE for cause in causes):
            error.add_note(_NOT_MIGRATED)
        raise


def _causes(error: BaseException) -> list[BaseException]:
    causes: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(causes) < _MOST_CAUSES:
        causes.append(cause)
        cause = getattr(cause, "orig", None) or cause.__cause__
    return causes


def _means_failed(error: BaseException) -> bool:
    return _sqlstate(error) == _FAILED_TRANSACTION or _dotted(type(error)) in _FAILED_CLASSES


def _sqlstate(error: BaseException) -> object:
    state = getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
    if state is None and error.args and isinstance(error.args[0], dict):
        state = error.args[0].get("C")  # pg8000 gives the fields of the server's message
    return state
