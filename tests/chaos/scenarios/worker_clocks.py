"""Clocks of workers and clients that are an hour off, and one that jumps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chaos.fleet import python_path
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

CLOCKS = Path(__file__).parent.parent / "clock"
WORKERS = ("3600", "-3600", "-3600:10")
CLIENT = "3600:10"
STRAY = """
select count(*) from pgflow.jobs
where abs(extract(epoch from pgflow.uuid_time(id) - created_at)) > 61
"""
AHEAD = """
select count(*) from pgflow.attempts
where started_at > finished_at or abs(extract(epoch from finished_at - clock_timestamp())) > 1800
"""


def setup(stage: Stage) -> None:
    path = f"{CLOCKS}:{python_path()}"
    stage.workers = 0
    for off in WORKERS:
        stage.fleet.start(1, env={"CHAOS_CLOCK": off, "PYTHONPATH": path})
    stage.client_env |= {"CHAOS_CLOCK": CLIENT, "PYTHONPATH": path}


def strike(stage: Stage) -> None:
    stage.pause(stage.seconds_left())


def verify(stage: Stage) -> None:
    for query, detail in ((STRAY, "jobs have ids of another time"), (AHEAD, "attempts are dated by a worker's clock")):
        count = int(stage.ask(query)[0][0])
        if count:
            stage.blame("R6", count, "see the query in worker_clocks.py", detail)
    logs = [stage.directory / f"worker-{number}.log" for number in range(len(WORKERS))]
    days = {path.read_text(encoding="utf-8")[:13] for path in logs}
    stage.demand_bite(len(days) - 1, "the workers' logs show one hour")


WORKER_CLOCKS = Scenario(
    "worker-clocks",
    "One worker's clock is an hour fast, one an hour slow, one's and the client's jump by an hour in the midst: only "
    "the database's clock counts.",
    strike,
    setup,
    verify=verify,
)
