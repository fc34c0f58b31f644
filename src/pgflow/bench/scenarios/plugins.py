"""Plugins: drain with five of the built-in plugins switched on, in turns with none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load
from pgflow.bench.turns import Kind, compare
from pgflow.hooks import entry_point_plugins

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 30_000
ON: Final = ("guardrails", "logs", "metrics", "policies", "retry")


def five(bench: Bench) -> Figures:
    """Drain with five on, and with all switched off."""
    load, names = Load(jobs=bench.jobs(JOBS)), sorted(found.name for found in entry_point_plugins())
    some = [name for name in names if name not in ON]
    return compare(
        bench,
        Kind(name="five", load=load, settings={"disabled_plugins": some}),
        Kind(name="none", load=load, settings={"disabled_plugins": names}),
    )


SCENARIOS: Final = (
    Scenario(
        name="plugins", about=f"drain with five plugins ({', '.join(ON)}), in turns with none", run=five, jobs=JOBS,
        heeds=frozenset({"backend", "processes"}), drains=True,
    ),
)  # fmt: skip
