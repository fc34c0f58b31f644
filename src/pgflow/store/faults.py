"""What a database may raise, under a name for those who do not speak to psycopg themselves."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import psycopg

from pgflow.errors import DatabaseUnavailableError

StoreError = psycopg.Error
FAULTS = (DatabaseUnavailableError, psycopg.Error)
"""Any failure of a statement: the database does not answer, or refuses."""

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
