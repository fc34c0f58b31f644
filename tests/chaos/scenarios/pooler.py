"""Debian's pgbouncer in transaction mode between all and the server, paused, reconnected, killed and started."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaos.between import starts_in_time
from chaos.pgbouncer import Pgbouncer
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.stage import Stage

PROMPT_SECONDS = 1.5
QUIET_SECONDS = 4.0


def setup(stage: Stage) -> None:
    pooler = Pgbouncer(stage.directory / "pgbouncer", stage.server.url)
    stage.props["pooler"] = stage.endings.enter_context(pooler)
    stage.url = pooler.address(stage.server.url)


def strike(stage: Stage) -> None:
    pooler: Pgbouncer = stage.props["pooler"]
    begin = time.time()
    stage.pause(QUIET_SECONDS)
    # before anything is done to it: a LISTEN that goes nowhere is no reason to wait longer than a poll
    starts_in_time(stage, begin, PROMPT_SECONDS)
    troubles: list[Callable[[Stage, Pgbouncer], None]] = [pause, reconnect, kill_database, restart, crash]
    while not stage.over():
        for trouble in stage.rng.sample(troubles, len(troubles)):
            if stage.over():
                break
            stage.log(trouble.__name__)
            trouble(stage, pooler)
            stage.pause(stage.rng.uniform(0.5, 2.5))


def pause(stage: Stage, pooler: Pgbouncer) -> None:
    pooler.tell("pause")
    stage.pause(stage.rng.uniform(0.5, 3))
    pooler.tell("resume")


def reconnect(_stage: Stage, pooler: Pgbouncer) -> None:
    pooler.tell("reconnect")


def kill_database(stage: Stage, pooler: Pgbouncer) -> None:
    pooler.tell("kill postgres")
    stage.pause(stage.rng.uniform(0.1, 2))
    pooler.tell("resume postgres")


def restart(stage: Stage, pooler: Pgbouncer) -> None:
    pooler.stop()
    stage.pause(stage.rng.uniform(0, 2))
    pooler.start()


def crash(stage: Stage, pooler: Pgbouncer) -> None:
    pooler.stop(at_once=True)
    stage.pause(stage.rng.uniform(0, 3))
    pooler.start()


def verify(stage: Stage) -> None:
    for log in stage.directory.glob("worker-*.log"):
        count = log.read_text("utf-8", errors="replace").count("prepared statement")
        if count:
            stage.blame("R7", count, log.name, "statements were prepared on a pooler's connections")


POOLER = Scenario(
    "pgbouncer",
    "All connect through pgbouncer in transaction mode, paused, restarted, killed: polling goes on by itself.",
    strike, setup, needs=("pgbouncer",), verify=verify,
)  # fmt: skip
