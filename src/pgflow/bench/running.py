"""Runs scenarios in turns, as often as asked, and takes the medians."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from pgflow.bench.scenarios import CATALOGUE, FLOOR
from pgflow.bench.turns import medians, ratio
from pgflow.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pgflow.bench.ground import Ground
    from pgflow.bench.scenario import Scenario
    from pgflow.bench.stage import Figures, Options

USUAL: Final = "drain"


@dataclass(frozen=True, slots=True)
class Result:
    """What a scenario gave: the figures of each run, and their medians."""

    scenario: Scenario
    runs: tuple[Figures, ...]
    medians: Figures


def chosen(names: Iterable[str], *, against_floor: bool = False) -> list[Scenario]:
    """Give the scenarios of these names, drain where there are none. Raises `UsageError` for one that is not."""
    wanted = list(dict.fromkeys(names)) or [USUAL]
    if missing := [name for name in wanted if name not in CATALOGUE]:
        msg = f"no scenario {', '.join(missing)}; there are: {', '.join(CATALOGUE)}"
        raise UsageError(msg)
    scenarios = [CATALOGUE[name] for name in wanted]
    return [FLOOR, *scenarios] if against_floor and FLOOR not in scenarios else scenarios


def run_once(ground: Ground, scenario: Scenario, options: Options) -> Figures:
    """Run one scenario on a database of its own, and give its figures."""
    with ground.bench(options) as bench:
        return {"workers": options.processes, **scenario.run(bench)}


def run_all(
    ground: Ground,
    scenarios: Sequence[Scenario],
    options: Options,
    runs: int,
    tell: Callable[[Scenario, int], None] = lambda _scenario, _run: None,
) -> list[Result]:
    """Run them `runs` times in turns: what the machine does meanwhile meets all of them.

    Where the floor is among them, those it measures say how far above it they are: `over_floor`.
    """
    seen: dict[str, list[Figures]] = {scenario.name: [] for scenario in scenarios}
    for number in range(1, runs + 1):
        for scenario in scenarios:
            tell(scenario, number)
            seen[scenario.name].append(run_once(ground, scenario, options))
    results = [Result(one, tuple(seen[one.name]), medians(seen[one.name])) for one in scenarios]
    floor = next((result for result in results if result.scenario is FLOOR), None)
    return results if floor is None else [_over(result, floor) for result in results]


def _over(result: Result, floor: Result) -> Result:
    if not result.scenario.drains:
        return result
    over = ratio(result.medians["jobs_per_sec"], floor.medians["jobs_per_sec"])
    return replace(result, medians={**result.medians, "over_floor": over})
