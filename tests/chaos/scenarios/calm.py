"""Nothing happens: what the figures are without faults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage


def strike(stage: Stage) -> None:
    while not stage.over():
        stage.pause(1.0)


CALM = Scenario("calm", "No fault at all: every job ends, none runs twice.", strike)
