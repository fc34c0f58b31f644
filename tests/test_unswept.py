"""The garbage collector: left out of what makes thousands of objects, and of what stays, and else as it was."""

from __future__ import annotations

import gc
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pgflow import App, ArgumentError
from pgflow.unswept import unswept

if TYPE_CHECKING:
    from collections.abc import Iterator

SPARED = """
import gc, sys
from pgflow.worker.own import spare_what_stays
gc.set_threshold(*map(int, sys.argv[1:]))
spare_what_stays()
print(gc.get_freeze_count() > 1000, *gc.get_threshold())
"""


@pytest.fixture
def rounds() -> Iterator[list[int]]:
    """The generations the collector has looked through."""
    seen: list[int] = []

    def note(phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            seen.append(info["generation"])

    gc.callbacks.append(note)
    yield seen
    gc.callbacks.remove(note)


def test_it_looks_again_behind_the_block_even_where_that_failed() -> None:
    def fail() -> None:
        with unswept():
            off.append(not gc.isenabled())
            raise ZeroDivisionError

    off: list[bool] = []
    with pytest.raises(ZeroDivisionError):
        fail()
    assert off == [True]
    assert gc.isenabled()


def test_where_it_was_off_it_stays_off() -> None:
    gc.disable()
    try:
        with unswept():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_no_round_is_made_over_the_jobs_of_a_large_enqueue(rounds: list[int]) -> None:
    app = App("tests", dsn="postgresql://nobody@localhost:1/none")

    @app.task
    def nothing(n: int) -> None:
        raise AssertionError(n)

    calls = [((n,), {}) for n in range(5_000)]
    jobs = nothing.options()._jobs
    rounds.clear()
    made = jobs(calls)
    assert len(rounds) <= 1  # the one that was put off
    assert len(made) == 5_000
    assert gc.isenabled()
    with pytest.raises(ArgumentError, match="call 5000"):
        jobs([*calls, ((), {})])
    assert gc.isenabled()


@pytest.mark.parametrize(
    ("given", "kept"),
    [("700 10 10", "10000 10 10"), ("2000 10 0", "10000 10 0"), ("50000 5 5", "50000 5 5"), ("0 1 1", "0 1 1")],
)
def test_a_workers_rounds_are_fewer_unless_something_else_has_set_them(given: str, kept: str) -> None:
    found = subprocess.run([sys.executable, "-c", SPARED, *given.split()], capture_output=True, text=True, check=True)
    assert found.stdout == f"True {kept}\n"
