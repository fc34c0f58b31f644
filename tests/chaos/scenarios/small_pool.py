"""Two connections under fifty slots, whose jobs enqueue too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

MIX = {"parent": 25, "parent_thread": 25, "quick": 20, "slow": 4, "slow_thread": 4, "flaky": 12, "limited": 10}


def setup(stage: Stage) -> None:
    stage.env |= {"PGFLOW_DB_MAX_CONNECTIONS": "2", "PGFLOW_CONCURRENCY": "50"}
    stage.client_env["CHAOS_MIX"] = json.dumps(MIX)


def strike(stage: Stage) -> None:
    stage.pause(stage.seconds_left())


def verify(stage: Stage) -> None:
    born = int(stage.ask("select count(*) from pgflow.jobs where headers ->> 'token' like '%%/%%'")[0][0])
    stage.demand_bite(born, "no job has enqueued another")


SMALL_POOL = Scenario(
    "small-pool",
    "Workers have two connections for fifty slots, and half of the jobs enqueue others: they wait for one another, and "
    "no heartbeat or acknowledgement waits so long that a lease lapses.",
    strike,
    setup,
    verify=verify,
)
