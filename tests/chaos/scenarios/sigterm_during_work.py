"""Rolling restarts: SIGTERM during work."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

EVERY_SECONDS = 1.5


def strike(stage: Stage) -> None:
    turn = 0
    while not stage.over():
        pids = stage.fleet.pids()
        pid = pids[turn % len(pids)] if pids else 0
        # before it has heard of signals, a worker holds nothing and ends by the first
        if pid and stage.fleet.age(pid) > EVERY_SECONDS:
            stage.fleet.signal(pid, signal.SIGTERM)
            stage.log(f"SIGTERM to {pid}")
        turn += 1
        stage.pause(EVERY_SECONDS)


def verify(stage: Stage) -> None:
    stage.demand_bite(len(stage.fleet.exits()), "no worker has ended")
    rough = [code for code in stage.fleet.exits() if code not in (0, -signal.SIGTERM)]
    if rough:
        stage.blame("R3", len(rough), str(rough), "workers did not end by themselves with exit code 0 when told to")
    lost = stage.count("lost")
    if lost:
        stage.blame(
            "R7", lost, "outcome lost", "runs were lost, though every worker was asked to stop and had the time"
        )


SIGTERM_DURING_WORK = Scenario(
    "sigterm-during-work",
    "Workers are asked to stop by SIGTERM, one after another, during work: what has not started goes back, what runs "
    "finishes, nothing lapses.",
    strike,
    verify=verify,
)
