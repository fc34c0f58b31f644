"""Turns: what one worker at a time does, each so often over all workers together."""

from __future__ import annotations

from typing import Final

from pgflow.store.statement import Statement, load

TAKE: Final = load("take_turn", repeatable=False)
PASS: Final = load("pass_turn")


def take(name: str, worker: str, seconds: float) -> Statement[bool]:
    """Take a turn for `seconds` at most; False where another worker has it, or it has not come round yet."""
    return Statement(TAKE, {"name": name, "worker": worker, "seconds": seconds}, bool)


def hold(name: str, worker: str, seconds: float) -> Statement[bool]:
    """Say for how many seconds from now a turn is not to be taken; False where it is not this worker's any more."""
    return Statement(PASS, {"name": name, "worker": worker, "seconds": seconds}, bool)
