"""When a failed run is tried again: policies as plain frozen values, and what an error is called."""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from pgflow.classify import classify
from pgflow.errors import TaskDefinitionError

__all__ = ["DEFAULT_POLICY", "Exponential", "Fixed", "Linear", "RetryPolicy", "classify", "retry_delay"]

logger = logging.getLogger(__name__)

RetryPolicy: TypeAlias = Callable[[int, BaseException], float | None]
"""Takes the failures so far, from 1, and the error; gives seconds until the next run, None to give up."""

DELAY_MAX_SECONDS: Final = 30 * 86_400.0


def _check_seconds(what: str, value: object) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 <= value <= DELAY_MAX_SECONDS:  # type: ignore[operator]
        msg = f"{what} {value!r} of a retry policy must be a number of seconds, from 0 to 30 days"
        raise TaskDefinitionError(msg)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exponential:
    """Waits `base * factor ** (failures - 1)` seconds, at most `cap`; with jitter a random part of that.

    Full jitter, from 0 to that bound, spreads a herd best (Marc Brooker, "Exponential Backoff And Jitter", 2015).
    As it stands, 25 attempts reach over 7 hours on average. `draw` returns a number in [0, 1).
    """

    base: float = 2.0
    factor: float = 2.0
    cap: float = 3600.0
    jitter: bool = True
    draw: Callable[[], float] = field(default=random.random, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse numbers that make no delay. Raises `TaskDefinitionError`."""
        _check_seconds("base", self.base)
        _check_seconds("cap", self.cap)
        if not 1 <= self.factor < math.inf:
            msg = f"factor {self.factor!r} of a retry policy must be 1 or more"
            raise TaskDefinitionError(msg)

    def __call__(self, failures: int, error: BaseException) -> float:  # noqa: ARG002 - the shape of every policy
        """Return the seconds until the next run."""
        try:
            bound = min(self.cap, self.base * self.factor ** (failures - 1))
        except OverflowError:
            bound = self.cap
        return bound * self.draw() if self.jitter else bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Linear:
    """Waits `step * failures` seconds, at most `cap`."""

    step: float = 10.0
    cap: float = 3600.0

    def __post_init__(self) -> None:
        """Refuse numbers that make no delay. Raises `TaskDefinitionError`."""
        _check_seconds("step", self.step)
        _check_seconds("cap", self.cap)

    def __call__(self, failures: int, error: BaseException) -> float:  # noqa: ARG002 - the shape of every policy
        """Return the seconds until the next run."""
        return min(self.cap, self.step * failures)


@dataclass(frozen=True, slots=True)
class Fixed:
    """Waits the same number of seconds each time."""

    seconds: float

    def __post_init__(self) -> None:
        """Refuse a number that makes no delay. Raises `TaskDefinitionError`."""
        _check_seconds("seconds", self.seconds)

    def __call__(self, failures: int, error: BaseException) -> float:  # noqa: ARG002 - the shape of every policy
        """Return the seconds until the next run."""
        return self.seconds


DEFAULT_POLICY: Final[RetryPolicy] = Exponential()


def retry_delay(policy: RetryPolicy, failures: int, error: BaseException) -> float | None:
    """Return the seconds until the next run, within 0 and 30 days; None where the policy gives up.

    A policy that raises or answers nonsense is logged, and the default policy answers instead: a mistake in
    one function must neither stop a worker nor lose a job.
    """
    try:
        seconds = policy(failures, error)
        if seconds is None:
            return None
        if not math.isnan(seconds):
            return min(max(float(seconds), 0.0), DELAY_MAX_SECONDS)
        logger.warning("retry policy %r answered %r; the default policy is used", policy, seconds)
    except Exception:
        logger.exception("retry policy %r failed; the default policy is used", policy)
    return DEFAULT_POLICY(failures, error)
