"""Every scenario by its name, in the order in which they are listed and run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.bench.scenarios import (
    backlog,
    drain,
    enqueue,
    floor,
    held,
    idle,
    latency,
    mixed,
    payload,
    plugins,
    queues,
    retries,
    scheduled,
)

if TYPE_CHECKING:
    from pgflow.bench.scenario import Scenario

ALL: Final[tuple[Scenario, ...]] = (
    *drain.SCENARIOS, *enqueue.SCENARIOS, *latency.SCENARIOS, *mixed.SCENARIOS, *held.SCENARIOS, *backlog.SCENARIOS,
    *payload.SCENARIOS, *retries.SCENARIOS, *queues.SCENARIOS, *scheduled.SCENARIOS, *idle.SCENARIOS,
    *plugins.SCENARIOS, *floor.SCENARIOS,
)  # fmt: skip
CATALOGUE: Final = {scenario.name: scenario for scenario in ALL}
FLOOR: Final = floor.FLOOR
