"""Celery's spellings of a task's options, where their meaning is the same."""

from __future__ import annotations

from typing import Any, Final

from pgflow.errors import TaskDefinitionError
from pgflow.model import INT32_MAX
from pgflow.retry import Exponential, Fixed, RetryPolicy

BACKOFF_MAX_SECONDS: Final = 600
RETRY_DELAY_SECONDS: Final = 180
BACKOFF_WORDS: Final = ("retry_backoff", "retry_backoff_max", "retry_jitter", "default_retry_delay")


def translate(keywords: dict[str, Any]) -> dict[str, Any]:
    """Return task options with `max_retries` and the backoff words turned into pgflow's.

    Raises `TaskDefinitionError` where both spellings of one option are given.
    """
    options = {name: value for name, value in keywords.items() if name not in (*BACKOFF_WORDS, "max_retries")}
    if "max_retries" in keywords:
        _refuse_both(options, "max_attempts", "max_retries")
        options["max_attempts"] = _attempts(keywords["max_retries"])
    given = {name: keywords[name] for name in BACKOFF_WORDS if name in keywords}
    if given:
        _refuse_both(options, "retry_policy", next(iter(given)))
        options["retry_policy"] = _policy(**given)
    return options


def _attempts(retries: object) -> object:
    if retries is None:
        return INT32_MAX  # Celery's "for ever"
    return retries + 1 if isinstance(retries, int) and not isinstance(retries, bool) else retries


def _policy(
    *,
    retry_backoff: float | bool = False,
    retry_backoff_max: float = BACKOFF_MAX_SECONDS,
    retry_jitter: bool = True,
    default_retry_delay: float = RETRY_DELAY_SECONDS,
) -> RetryPolicy:
    if not retry_backoff:
        return Fixed(default_retry_delay)
    base = 1 if retry_backoff is True else retry_backoff
    return Exponential(base=base, cap=retry_backoff_max, jitter=retry_jitter)


def _refuse_both(options: dict[str, Any], ours: str, theirs: str) -> None:
    if ours in options:
        msg = f"{ours}= and {theirs}= say the same twice: keep one"
        raise TaskDefinitionError(msg)
