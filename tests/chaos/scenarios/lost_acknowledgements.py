"""Connections are cut behind a commit, so that its answer is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.cutting import SAID
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

SIGN = "cut"


def setup(stage: Stage) -> None:
    wishes = {"CHAOS_CUT_WHILE": str(stage.directory / SIGN), "CHAOS_SEED": str(stage.rng.random())}
    stage.env |= wishes
    stage.client_env |= wishes


def strike(stage: Stage) -> None:
    (stage.directory / SIGN).touch()
    stage.pause(stage.seconds_left())
    (stage.directory / SIGN).unlink()


def verify(stage: Stage) -> None:
    logs = stage.directory.glob("worker-*.log")
    cut = sum(path.read_text(encoding="utf-8").count(SAID) for path in logs)
    stage.demand_bite(cut, "no worker lost an answer")
    if stage.fleet.exits():
        stage.blame("R6", len(stage.fleet.exits()), str(stage.fleet.exits()), "workers ended over a lost answer")


LOST_ACKNOWLEDGEMENTS = Scenario(
    "lost-acknowledgements",
    "One in ten commits of workers and clients is followed by a cut of the connection, before the answer is read: what "
    "was done is not done again, and what is not known is found out.",
    strike,
    setup,
    verify=verify,
)
