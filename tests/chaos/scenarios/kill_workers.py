"""SIGKILL of a worker every two seconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

EVERY_SECONDS = 2.0


def strike(stage: Stage) -> None:
    while not stage.over():
        stage.log(f"SIGKILL to {stage.fleet.kill(stage.rng)}")
        stage.pause(EVERY_SECONDS)


def verify(stage: Stage) -> None:
    stage.demand_bite(stage.fleet.kills, "no worker was killed")


KILL_WORKERS = Scenario(
    "kill-workers",
    "A worker is killed with SIGKILL every 2 s and started again: what it held comes back, nothing is lost or doubled.",
    strike,
    verify=verify,
)
