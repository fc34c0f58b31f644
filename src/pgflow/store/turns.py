"""Turns: what one worker at a time does, each so often over all workers together."""

from __future__ import annotations

from typing import Final

from pgflow.store.statement import Statement, load

TAKE: Final = load("take_turn", repeatable=False)
PASS: Final = load("pass_turn")
WHOSE: Final = load("whose_turn")


def take(name: str, worker: str, seconds: float, *, rest: float = 0.0) -> Statement[bool]:
    """Take a turn for `seconds` at most; False where another worker has it, or it comes round later than in `rest`."""
    return Statement(TAKE, {"name": name, "worker": worker, "seconds": seconds, "rest": rest}, bool)


def whose(name: str) -> Statement[tuple[str, float] | None]:
    """Say who has a turn, and for how many seconds more at most; None where nobody ever had it."""
    return Statement(WHOSE, {"name": name}, lambda rows: (rows[0][0], rows[0][1]) if rows else None)


def hold(name: str, worker: str, seconds: float) -> Statement[bool]:
    """Say for how many seconds from now a turn is not to be taken; False where it is not this worker's any more."""
    return Statement(PASS, {"name": name, "worker": worker, "seconds": seconds}, bool)
