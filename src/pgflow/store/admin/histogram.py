"""Reads percentiles from the histograms of the stats rollup; does no I/O."""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BOUNDS: Final = tuple(0.0001 * 2 ** (k / 2) for k in range(47))
"""Where the second class begins and each one after it, seconds; as `pgflow.histogram_bounds()` has it."""


def percentiles(classes: Sequence[int], shares: Sequence[float]) -> list[float | None]:
    """Give for each share the seconds that so much of what was counted stayed under; None where nothing was counted.

    Within a class it is interpolated evenly, so it is off by less than the class is wide: 42 % at the most. What lies
    in the last class, over 838 s, is said to be its lower bound.
    """
    sums = list(accumulate(classes))
    if not sums or not sums[-1]:
        return [None] * len(shares)
    return [_at(share * sums[-1], classes, sums) for share in shares]


def _at(rank: float, classes: Sequence[int], sums: Sequence[int]) -> float:
    at = bisect_left(sums, rank)
    if at >= len(BOUNDS):
        return BOUNDS[-1]
    low = BOUNDS[at - 1] if at else 0.0
    return low + (BOUNDS[at] - low) * (rank - sums[at] + classes[at]) / classes[at]
