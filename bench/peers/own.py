"""The scenarios that ask pgflow alone: those of `pgflow bench`, run from here to stand in one table with the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from bench.peers.figures import OURS, written
from pgflow.bench.ground import Ground
from pgflow.bench.running import run_once
from pgflow.bench.scenarios import CATALOGUE
from pgflow.bench.stage import Options
from pgflow.errors import PgflowError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

COMPARED: Final = frozenset({"drain", "threads", "trio", "floor", "enqueue-one", "enqueue-many", "latency"})
"""What the comparison measures itself."""
ALONE: Final = {
    "held-million" if name == "held-snapshot" else name: scenario
    for name, scenario in CATALOGUE.items()
    if name not in COMPARED
}
MILLION: Final = 1_000_000
HELD: Final = {"held-million": MILLION, "held-transaction": MILLION}
"""How many jobs pass while something is held, where nobody says otherwise."""


def run_alone(
    url: str,
    names: Sequence[str],
    rounds: int,
    jobs: int | None,
    left_out: dict[str, str],
    tell: Callable[[str], None],
) -> Iterator[dict[str, Any]]:
    """Run them round by round, and give results in the shape of the comparison's; one that fails is left out."""
    if not names:
        return
    with Ground(url) as ground:
        for number in range(1, rounds + 1):
            for name in names:
                wanted = jobs or HELD.get(name)
                if name in left_out or (number > 1 and (wanted or ALONE[name].jobs) >= MILLION):
                    continue  # a million once is long enough
                try:
                    figures = run_once(ground, ALONE[name], Options(jobs=wanted))
                except (PgflowError, RuntimeError, TimeoutError) as error:
                    left_out[name] = str(error)
                    tell(f"{name} is left out from here: {error}")
                    continue
                shown = " ".join(f"{key}={written(value)}" for key, value in figures.items() if value is not None)
                tell(f"{name} {number}/{rounds} {shown}")
                yield {"scenario": name, "system": OURS, "round": number, **figures}
