"""Which problem an error is: what a client can send ends in a status of its own, and never in a 500."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final

from pydantic import ValidationError

from pgflow import (
    ArgumentError,
    DatabaseUnavailableError,
    JobNotFoundError,
    JobRejected,
    JobStateError,
    PluginError,
    SchemaMismatchError,
)
from pgflow.admin import FAULTS, Problem

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger("pgflow.admin")

RETRY_SECONDS: Final = 2
REJECTED: Final = {"PAYLOAD_TOO_LARGE": 413, "ENQUEUE_RATE_EXCEEDED": 429}
STOPPED: Final = "57014"
UNFIT: Final = "22"


def problem_of(error: Exception) -> Problem:
    """Give the problem an error is; what nobody foresaw is logged with its traceback."""
    if isinstance(error, Problem):
        return error
    foreseen = next((make for kind, make in FORESEEN if isinstance(error, kind)), None)
    if foreseen is not None and not isinstance(error, ValidationError):
        return foreseen(error)
    logger.error("the admin failed: %s: %s", type(error).__name__, error, exc_info=error)
    return Problem(500, "INTERNAL", "the admin failed; its log says why")


def _not_found(error: JobNotFoundError) -> Problem:
    return Problem(404, "JOB_NOT_FOUND", str(error))


def _wrong_state(error: JobStateError) -> Problem:
    return Problem(409, "JOB_STATE", str(error), state=error.state)


def _unfit(error: Exception) -> Problem:
    return Problem(422, "INVALID_VALUE", str(error))


def _mismatch(error: SchemaMismatchError) -> Problem:
    return _later("SCHEMA_MISMATCH", str(error))


def _plugin_failed(error: PluginError) -> Problem:
    # behind the name of the plugin stands what failed in it, which is for the log
    logger.warning("%s", error)
    return _later("PLUGIN_FAILED", str(error).partition(": ")[0])


def _rejected(refusal: JobRejected) -> Problem:
    status = REJECTED.get(refusal.reason_code, 422)
    details = dict(refusal.details or {})
    headers = {}
    if status == REJECTED["ENQUEUE_RATE_EXCEEDED"]:
        after = details.get("retry_after", RETRY_SECONDS)
        headers["retry-after"] = str(max(1, -int(-after // 1)) if isinstance(after, int | float) else RETRY_SECONDS)
    return Problem(status, refusal.reason_code, refusal.message or str(refusal), headers=headers, details=details)


def _fault(error: BaseException) -> Problem:
    # the message names hosts and statements, which are for the log; so is an error of ours in a statement
    code = str(getattr(error, "sqlstate", None) or getattr(error.__cause__, "sqlstate", None) or "")
    logger.warning("the database: %s: %s", type(error).__name__, error)
    if code.startswith(UNFIT):
        return Problem(422, "INVALID_VALUE", "the database refuses a value as out of range or malformed")
    if code == STOPPED:
        return _later("DATABASE_SLOW", "the database took too long: narrow what is asked for, or try again")
    if isinstance(error, DatabaseUnavailableError):
        return _later("DATABASE_UNAVAILABLE", "the database cannot be reached, or did not answer in time: try again")
    return _later("DATABASE_REFUSED", "the database refused; the admin's log says why")


def _later(code: str, detail: str) -> Problem:
    return Problem(503, code, detail, headers={"retry-after": str(RETRY_SECONDS)})


FORESEEN: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], Callable[[Any], Problem]], ...]] = (
    (JobNotFoundError, _not_found),
    (JobStateError, _wrong_state),
    (JobRejected, _rejected),
    (SchemaMismatchError, _mismatch),
    (PluginError, _plugin_failed),
    (FAULTS, _fault),
    ((ArgumentError, ValueError), _unfit),
)
