"""The server crashes five times, and is down for half a second to three."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

TIMES = 5
LEAST_UP_SECONDS = 1.5


def setup(stage: Stage) -> None:
    # a claim is committed relaxed: a crash may forget it, and the same attempt is then handed out twice
    stage.checks["forgotten_claims"] = True


def strike(stage: Stage) -> None:
    left = TIMES
    while left:
        # long enough for work to be under way again, also where the time is up
        time.sleep(max(LEAST_UP_SECONDS, stage.seconds_left() / left - 3.0))
        down = stage.rng.uniform(0.5, 3.0)
        stage.log(f"immediate stop, down for {down:.1f} s")
        stage.server.restart("immediate", down_seconds=down)
        left -= 1
    stage.pause(stage.seconds_left())


def verify(stage: Stage) -> None:
    stage.demand_bite(stage.server.starts > TIMES, "the server was not restarted")


RESTART_SERVER = Scenario(
    "restart-server",
    "PostgreSQL is stopped at once (SIGQUIT, as in a crash) and started again five times: workers and clients come "
    "back by themselves, and what was acknowledged is there.",
    strike,
    setup,
    verify=verify,
)
