"""The primary is lost and its synchronous standby promoted; the address that all know leads there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from chaos import standby
from chaos.between import proxy_of, put_proxy
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

STEADY_SECONDS = (2.0, 5.0)
AWAY_SECONDS = (0.0, 3.0)


def setup(stage: Stage) -> None:
    put_proxy(stage)
    # a claim is committed relaxed: a standby may not have it, and the same attempt is then handed out twice
    stage.checks["forgotten_claims"] = True


def strike(stage: Stage) -> None:
    promotions = 0
    while not stage.over() or not promotions:
        second = standby.add(stage.server, stage.directory / f"standby-{promotions}")
        stage.pause(stage.rng.uniform(*STEADY_SECONDS))
        if stage.over() and promotions:
            standby.remove(stage.server, second)
            break
        promotions += 1
        fail_over(stage, second)
    stage.log(f"{promotions} standbys were promoted")


def fail_over(stage: Stage, second: standby.Server) -> None:
    first, proxy = stage.server, proxy_of(stage)
    first.stop(stage.rng.choice(["kill", "immediate"]))
    stage.log("the primary is gone")
    stage.pause(stage.rng.uniform(*AWAY_SECONDS))
    standby.promote(second)
    stage.server = second
    proxy.upstream = second.url
    stage.log(f"{proxy.reset()} connections were reset; the standby is the primary now")
    shutil.rmtree(first.home.data)


PROMOTED = Scenario(
    "promoted-standby",
    "The primary crashes and its synchronous standby is promoted: what was acknowledged is there, and work goes on.",
    strike, setup,
)  # fmt: skip
