"""Two connections under fifty slots, whose jobs enqueue too."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

from chaos import tasks
from chaos.ledger import Ledger
from chaos.offering import offered
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

# more at once than the slots of all workers together
BURST = 150
EVERY_SECONDS = 6.0
MIX = {"parent": 25, "parent_thread": 25, "quick": 20, "slow": 4, "slow_thread": 4, "flaky": 12, "limited": 10}


def setup(stage: Stage) -> None:
    stage.env |= {"PGFLOW_DB_MAX_CONNECTIONS": "2", "PGFLOW_CONCURRENCY": "50"}
    stage.client_env["CHAOS_MIX"] = json.dumps(MIX)


def strike(stage: Stage) -> None:
    tasks.app.configure(database_url=stage.direct_url, embedded=False)
    given = 0
    with Ledger(stage.ledger_dir) as book, closing(tasks.app):
        while not stage.over():
            given += 1
            for task in (tasks.parent, tasks.parent_thread):
                burst = [f"burst-{given}-{task.name}-{number}" for number in range(BURST)]
                with offered(burst, "families", book) as answer:
                    answer.ids = [job.id for job in task.enqueue_many([((), {})] * BURST)]
            stage.pause(EVERY_SECONDS)
    stage.log(f"{given} bursts of {BURST} each")


def verify(stage: Stage) -> None:
    born = int(stage.ask("select count(*) from pgflow.jobs where headers ->> 'token' like '%%/%%'")[0][0])
    lost = stage.count("lost")
    if lost:
        stage.blame("R6", lost, "outcome lost", "leases have lapsed, though every worker lived")
    stage.demand_bite(born, "no job has enqueued another")


SMALL_POOL = Scenario(
    "small-pool",
    "Workers have two connections for fifty slots, and half of the jobs, and bursts of 300, enqueue others: they "
    "wait for one another, and no heartbeat or acknowledgement waits so long that a lease lapses.",
    strike,
    setup,
    verify=verify,
)
