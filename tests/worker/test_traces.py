"""Tracebacks are written as the standard library writes them, and cost a fraction."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

import pytest

from pgflow.worker import traces

if TYPE_CHECKING:
    from collections.abc import Callable


def plain() -> None:
    raise ValueError("no\nsuch thing")


def with_cause() -> None:
    try:
        plain()
    except ValueError as error:
        raise KeyError("k") from error


def with_context() -> None:
    try:
        with_cause()
    except KeyError:
        int("x")


def with_context_suppressed() -> None:
    try:
        plain()
    except ValueError:
        raise KeyError("k") from None


def with_a_cause_that_was_never_raised() -> None:
    raise KeyError("k") from ValueError("v")


def with_a_note() -> None:
    error = ValueError("v")
    error.add_note("and so on")
    raise error


def of_itself() -> None:
    try:
        plain()
    except ValueError as error:
        error.__context__ = error
        raise


def of_syntax() -> None:
    compile("a b", "here.py", "exec")


def grouped() -> None:
    raise ExceptionGroup("two", [ValueError("v"), KeyError("k")])


def deep(left: int = 120) -> None:
    if left:
        deep(left - 1)
    plain()


def turned(left: int = 120) -> None:
    if left % 2 or left:
        turned(left - 1)
    else:
        plain()


@pytest.mark.parametrize(
    "raises",
    [
        plain, with_cause, with_context, with_context_suppressed, with_a_cause_that_was_never_raised, with_a_note,
        of_itself, of_syntax, grouped, deep, turned,
    ],
)  # fmt: skip
def test_a_traceback_reads_as_the_standard_librarys(raises: Callable[[], None]) -> None:
    for _ in range(2):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - of several kinds
            raises()
        assert traces.written(raised.value, 50) == "".join(traceback.format_exception(raised.value, limit=-50))


def test_places_are_not_kept_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(traces, "PLACES_MOST", 3)
    for raises in (with_context, with_cause, plain):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - of several kinds
            raises()
        traces.written(raised.value, 50)
        assert len(traces._places) <= 3
