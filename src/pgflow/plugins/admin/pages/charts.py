"""Charts for those without JavaScript: series of numbers to the points of an SVG; no markup is made here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

WIDTH: Final = 600
HEIGHT: Final = 140
STEPS: Final = (1.0, 2.0, 5.0, 10.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its field in the points of /stats, its name, the colour it goes by, and its runs of points.

    `total` is the same number over the whole window, and `leads_to` the page of the jobs behind it.
    """

    field: str
    name: str
    colour: str
    runs: list[str]
    total: float | None
    leads_to: str
    params: dict[str, str]


@dataclass(frozen=True, slots=True)
class Chart:
    """One chart. `top` is the value at its upper edge; `rows` are the same numbers as a table, the newest first."""

    key: str
    title: str
    unit: str
    lines: list[Line]
    top: float
    first: datetime
    last: datetime
    rows: list[tuple[datetime, list[float | None]]]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A line to draw: its field in a point, its name, its colour, and where its number leads."""

    field: str
    name: str
    colour: str
    leads_to: str = "jobs"
    params: dict[str, str] = dataclass_field(default_factory=dict)


def chart(
    key: str, title: str, unit: str, points: Sequence[Any], total: Any, wanted: Sequence[Wanted], scale: float = 1.0
) -> Chart:
    """Draw fields of points as lines; a missing number is a gap."""
    values = {one.field: [_scaled(getattr(point, one.field), scale) for point in points] for one in wanted}
    top = nice(max((value for line in values.values() for value in line if value is not None), default=0.0))
    lines = [
        Line(
            one.field, one.name, one.colour, _runs(values[one.field], top),
            _scaled(getattr(total, one.field), scale), one.leads_to, one.params,
        )
        for one in wanted
    ]  # fmt: skip
    rows = [(point.at, [values[one.field][place] for one in wanted]) for place, point in enumerate(points)]
    return Chart(key, title, unit, lines, top, points[0].at, points[-1].at, rows[::-1])


def bars(counts: Sequence[int]) -> str:
    """Draw counts as one path of bars, each 3 wide of 4, in a box 20 high; what is little can still be seen."""
    top = max([*counts, 1])
    heights = [min(18 * count / top + 2, 20.0) if count else 0.0 for count in counts]
    return "".join(f"M{4 * n} 20v-{high:.1f}h3v{high:.1f}z" for n, high in enumerate(heights) if high)


def nice(value: float) -> float:
    """Give a round number that is no less: 1, 2 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    size = 10.0 ** math.floor(math.log10(value))
    return next(step * size for step in STEPS if step * size >= value - size * 1e-9)


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _runs(values: Sequence[float | None], top: float) -> list[str]:
    across = WIDTH / max(len(values) - 1, 1)
    place: Callable[[int, float], str] = lambda n, value: f"{n * across:.1f},{HEIGHT - value / top * (HEIGHT - 2):.1f}"  # noqa: E731 - one of two lines
    runs: list[list[str]] = [[]]
    for n, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(place(n, value))
    # a number alone between two gaps is a short dash
    return [" ".join(run if len(run) > 1 else [run[0], _beside(run[0])]) for run in runs if run]


def _beside(point: str) -> str:
    x, _, y = point.partition(",")
    return f"{float(x) + 2:.1f},{y}"
