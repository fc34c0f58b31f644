"""Answers of commits are lost on the wire: the work is done, and whoever asked does not know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.between import proxy_of, put_proxy
from chaos.faults import LostAnswer, statement, writes
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

AIMED = ("enqueue", "claim", "finish", "succeed")


def lose(stage: Stage) -> None:
    proxy, dice = proxy_of(stage), stage.rng
    turns = [LostAnswer(0.05, about=writes), *(LostAnswer(0.3, about=statement(name)) for name in AIMED)]
    while not stage.over():
        for turn in dice.sample(turns, len(turns)):
            proxy.strike(turn)
            stage.pause(dice.uniform(0.7, 1.5))
    proxy.heal()
    lost = {name: sum(map(statement(name), proxy.lost)) for name in AIMED}
    stage.log(f"{len(proxy.lost)} answers were lost after their commit, of them {lost}")
    stage.demand_bite(min(lost.values()), f"of some statements no answer was lost: {lost}")


LOST = Scenario(
    "lost-answers",
    "Commits of enqueues, claims and acknowledgements are done and their answers lost: nothing is lost or doubled.",
    lose, put_proxy,
)  # fmt: skip
