"""What an error is: the code kept with an attempt, told from the error alone and without importing drivers."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from typing import Final

from pgflow.codes import ErrorCode
from pgflow.errors import DatabaseUnavailableError, JobError

_LINKS_MAX: Final = 20
_TOO_MANY_REQUESTS: Final = 429
_GATEWAY_STATUSES: Final = frozenset({502, 503, 504})
_NETWORK_ERRNOS: Final = frozenset(
    {errno.ENETDOWN, errno.ENETUNREACH, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}
)
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_SQLSTATES: Final = {
    "40P01": ErrorCode.DB_DEADLOCK,
    "40001": ErrorCode.SERIALIZATION,
    "57014": ErrorCode.TIMEOUT,
    "57P01": ErrorCode.DEPENDENCY_DOWN,
    "57P02": ErrorCode.DEPENDENCY_DOWN,
    "57P03": ErrorCode.DEPENDENCY_DOWN,
    "53300": ErrorCode.DEPENDENCY_DOWN,
}


def classify(error: BaseException) -> tuple[str, bool]:
    """Return an error's code, and whether another run may help.

    A `JobError` says both itself. Otherwise the first of the error, what it wraps (`orig`) and its causes that
    has a meaning decides: an SQLSTATE (deadlock, serialization failure, cancelled statement, lost server), a
    `TimeoutError`, a connection or name error, an HTTP status of 429 (RATE_LIMIT) or 502 to 504
    (DEPENDENCY_DOWN). An exception group means what all its members mean. All else, `MemoryError` and
    `RecursionError` included, is UNKNOWN and may be tried again.
    """
    if isinstance(error, JobError):
        return str(error.code), error.retryable
    if isinstance(error, BaseExceptionGroup):
        found = {classify(member) for member in error.exceptions}
        return found.pop() if len(found) == 1 else (ErrorCode.UNKNOWN.value, True)
    code = next(filter(None, map(_meaning, _chain(error))), ErrorCode.UNKNOWN)
    return code.value, True


def ungrouped(error: BaseException) -> BaseException:
    """Return the error itself where it came in groups of one, as task groups raise it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: object = error
    for _ in range(_LINKS_MAX):  # causes may form a ring
        if not isinstance(link, BaseException):
            return
        yield link
        link = _attribute(link, "orig") or link.__cause__


def _meaning(error: BaseException) -> ErrorCode | None:
    return _by_sqlstate(error) or _by_type(error) or _by_status(error)


def _by_sqlstate(error: BaseException) -> ErrorCode | None:
    state = _attribute(error, "sqlstate") or _attribute(error, "pgcode")
    if not isinstance(state, str):
        return None
    return ErrorCode.DEPENDENCY_DOWN if state.startswith("08") else _SQLSTATES.get(state)


def _by_type(error: BaseException) -> ErrorCode | None:
    if isinstance(error, TimeoutError):
        return ErrorCode.TIMEOUT
    if isinstance(error, ConnectionError | socket.gaierror | socket.herror | DatabaseUnavailableError):
        return ErrorCode.DEPENDENCY_DOWN
    if isinstance(error, OSError) and error.errno in _NETWORK_ERRNOS:
        return ErrorCode.DEPENDENCY_DOWN
    return None


def _by_status(error: BaseException) -> ErrorCode | None:
    owners = (error, _attribute(error, "response"))
    statuses = {_attribute(owner, name) for owner in owners for name in ("status_code", "status")}
    if _TOO_MANY_REQUESTS in statuses:
        return ErrorCode.RATE_LIMIT
    return ErrorCode.DEPENDENCY_DOWN if statuses & _GATEWAY_STATUSES else None


def _attribute(owner: object, name: str) -> object:
    # a foreign error's property may raise anything, as httpx's `.request` does where there is none
    try:
        value = getattr(owner, name, None)
    except Exception:  # noqa: BLE001
        return None
    return value if isinstance(value, str | int | BaseException) or name == "response" else None
