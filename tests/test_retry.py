"""When a failed run is tried again, and what its error is called."""

from __future__ import annotations

import errno
import logging
import math
import random
import socket
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from pgflow.codec import BadPayloadError
from pgflow.codes import ErrorCode
from pgflow.errors import DatabaseUnavailableError, JobError, TaskDefinitionError
from pgflow.retry import (
    DEFAULT_POLICY,
    DELAY_MAX_SECONDS,
    Exponential,
    Fixed,
    Linear,
    classify,
    retry_delay,
)

ERROR = ValueError("no luck")


def test_without_jitter_the_delay_doubles_up_to_its_cap() -> None:
    policy = Exponential(base=2, cap=60, jitter=False)
    assert [policy(failures, ERROR) for failures in range(1, 8)] == [2, 4, 8, 16, 32, 60, 60]


@given(st.integers(1, 100_000), st.integers())
def test_full_jitter_stays_within_zero_and_the_bound(failures: int, seed: int) -> None:
    bound = Exponential(jitter=False)(failures, ERROR)
    assert 0 <= Exponential(draw=random.Random(seed).random)(failures, ERROR) < bound <= 3600  # noqa: S311


def test_a_seeded_policy_repeats_itself() -> None:
    first, second = (Exponential(draw=random.Random(7).random) for _ in range(2))  # noqa: S311
    assert [first(n, ERROR) for n in range(1, 9)] == [second(n, ERROR) for n in range(1, 9)]


def test_policies_are_values() -> None:
    assert Exponential() == DEFAULT_POLICY
    assert Linear(step=5) == Linear(step=5)
    assert Fixed(3) != Fixed(4)
    assert len({Fixed(3), Fixed(3), Linear()}) == 2


def test_the_default_policy_reaches_over_hours_in_25_attempts() -> None:
    longest = sum(Exponential(jitter=False)(failures, ERROR) for failures in range(1, 25))
    assert 13 * 3600 < longest < 15 * 3600


def test_linear_and_fixed_delays() -> None:
    assert [Linear(step=10, cap=25)(failures, ERROR) for failures in (1, 2, 3)] == [10, 20, 25]
    assert [Fixed(3)(failures, ERROR) for failures in (1, 2)] == [3, 3]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: Exponential(base=-1), "base -1"),
        (lambda: Exponential(factor=0.5), "factor 0.5"),
        (lambda: Exponential(cap=math.inf), "cap inf"),
        (lambda: Linear(step=math.nan), "step nan"),
        (lambda: Linear(cap="x"), "cap 'x'"),  # type: ignore[arg-type]
        (lambda: Fixed(True), "seconds True"),
    ],
)
def test_numbers_that_make_no_delay_are_refused(make: Any, told: str) -> None:
    with pytest.raises(TaskDefinitionError, match=told):
        make()


def test_a_function_of_ones_own_is_a_policy_and_may_give_up() -> None:
    def policy(failures: int, error: BaseException) -> float | None:
        return None if isinstance(error, KeyError) else failures * 1.5

    assert retry_delay(policy, 2, ERROR) == 3
    assert retry_delay(policy, 2, KeyError("x")) is None


def test_a_delay_is_never_negative_nor_over_30_days() -> None:
    assert retry_delay(lambda *_: -5, 1, ERROR) == 0
    assert retry_delay(lambda *_: math.inf, 1, ERROR) == DELAY_MAX_SECONDS


@pytest.mark.parametrize("answer", [math.nan, "soon"])
def test_a_policy_that_answers_nonsense_is_logged_and_replaced(answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        delay = retry_delay(lambda *_: answer, 1, ERROR)
    assert delay is not None
    assert 0 <= delay <= 2
    assert "the default policy is used" in caplog.text


def test_a_policy_that_raises_is_logged_and_replaced(caplog: pytest.LogCaptureFixture) -> None:
    delay = retry_delay(lambda *_: 1 / 0, 1, ERROR)
    assert delay is not None
    assert "ZeroDivisionError" in caplog.text


class Strange(Exception):  # noqa: N818
    """An error as a foreign library has it."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__("strange")
        self.__dict__.update(attributes)


class Prickly(Exception):  # noqa: N818
    """An error with a property that raises, as httpx's has."""

    @property
    def response(self) -> object:
        """Raise."""
        msg = "no response yet"
        raise RuntimeError(msg)


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (TimeoutError(), ErrorCode.TIMEOUT),
        (psycopg.errors.DeadlockDetected(), ErrorCode.DB_DEADLOCK),
        (psycopg.errors.SerializationFailure(), ErrorCode.SERIALIZATION),
        (psycopg.errors.QueryCanceled(), ErrorCode.TIMEOUT),
        (psycopg.errors.AdminShutdown(), ErrorCode.DEPENDENCY_DOWN),
        (psycopg.errors.ConnectionFailure(), ErrorCode.DEPENDENCY_DOWN),
        (psycopg.errors.UniqueViolation(), ErrorCode.UNKNOWN),
        (sa.exc.OperationalError("select", {}, psycopg.errors.DeadlockDetected()), ErrorCode.DB_DEADLOCK),
        (Strange(pgcode="40001"), ErrorCode.SERIALIZATION),
        (caused(RuntimeError(), psycopg.errors.DeadlockDetected()), ErrorCode.DB_DEADLOCK),
        (ConnectionRefusedError(), ErrorCode.DEPENDENCY_DOWN),
        (BrokenPipeError(), ErrorCode.DEPENDENCY_DOWN),
        (socket.gaierror(-2, "Name or service not known"), ErrorCode.DEPENDENCY_DOWN),
        (OSError(errno.EHOSTUNREACH, "No route to host"), ErrorCode.DEPENDENCY_DOWN),
        (DatabaseUnavailableError(), ErrorCode.DEPENDENCY_DOWN),
        (caused(RuntimeError(), caused(KeyError(), ConnectionResetError())), ErrorCode.DEPENDENCY_DOWN),
        (FileNotFoundError(), ErrorCode.UNKNOWN),
        (OSError(errno.ENOSPC, "No space left on device"), ErrorCode.UNKNOWN),
        (Strange(status_code=429), ErrorCode.RATE_LIMIT),
        (Strange(status=429), ErrorCode.RATE_LIMIT),
        (Strange(response=SimpleNamespace(status_code=429)), ErrorCode.RATE_LIMIT),
        (Strange(response=SimpleNamespace(status_code=503)), ErrorCode.DEPENDENCY_DOWN),
        (Strange(response=SimpleNamespace(status_code=404)), ErrorCode.UNKNOWN),
        (Strange(response=None, status_code={}), ErrorCode.UNKNOWN),
        (Prickly(), ErrorCode.UNKNOWN),
        (MemoryError(), ErrorCode.UNKNOWN),
        (RecursionError(), ErrorCode.UNKNOWN),
        (ValueError(), ErrorCode.UNKNOWN),
        (ExceptionGroup("", [TimeoutError(), ExceptionGroup("", [TimeoutError()])]), ErrorCode.TIMEOUT),
        (ExceptionGroup("", [TimeoutError(), ValueError()]), ErrorCode.UNKNOWN),
    ],
)
def test_an_error_is_called_by_what_it_means(error: BaseException, code: ErrorCode) -> None:
    assert classify(error) == (code, True)


def test_a_job_error_says_itself_what_it_is() -> None:
    assert classify(JobError("CARD_DECLINED", "no", retryable=False)) == ("CARD_DECLINED", False)
    assert classify(ExceptionGroup("", [JobError("BUSY")])) == ("BUSY", True)
    assert classify(BadPayloadError("x")) == (ErrorCode.BAD_PAYLOAD, False)


def test_causes_that_form_a_ring_end() -> None:
    first, second = ValueError(), KeyError()
    first.__cause__, second.__cause__ = second, first
    assert classify(first) == (ErrorCode.UNKNOWN, True)
