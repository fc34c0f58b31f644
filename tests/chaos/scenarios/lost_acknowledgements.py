"""Connections are cut behind a commit, so that its answer is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

SHARE = "0.1"


def setup(stage: Stage) -> None:
    # the baseline is measured with cut connections too: they are cut from within, all the time
    stage.env["CHAOS_CUT_COMMITS"] = stage.client_env["CHAOS_CUT_COMMITS"] = SHARE
    stage.env["CHAOS_SEED"] = stage.client_env["CHAOS_SEED"] = str(stage.rng.random())


def strike(stage: Stage) -> None:
    stage.pause(stage.seconds_left())


def verify(stage: Stage) -> None:
    cut = sum("answer lost" in path.read_text(encoding="utf-8") for path in stage.ledger_dir.glob("*.jsonl"))
    stage.demand_bite(cut, "no client lost an answer")


LOST_ACKNOWLEDGEMENTS = Scenario(
    "lost-acknowledgements",
    "One in ten commits of workers and clients is followed by a cut of the connection, before the answer is read: what "
    "was done is not done again, and what is not known is found out.",
    strike,
    setup,
    verify=verify,
)
