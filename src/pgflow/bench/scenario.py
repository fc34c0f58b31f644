"""What a scenario is: a name, a sentence, and a run on a place of its own that gives figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.bench.stage import Bench, Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One question to pgflow.

    `run` gives figures by name; those that `Cost.figures` names mean the same in every scenario. `jobs` is how many it
    takes where nobody says, `heeds` the options it knows beside that number, `drains` whether the floor is its measure.
    """

    name: str
    about: str
    run: Callable[[Bench], Figures]
    jobs: int
    heeds: frozenset[str] = frozenset()
    drains: bool = False
