"""SIGSTOP for longer than a lease, then SIGCONT."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

MARGIN_SECONDS = 2.0
STOPS_MOST = 8


def strike(stage: Stage) -> None:
    stopped = 0
    # a worker that holds nothing just then loses nothing: the time is overrun until one does
    while not stage.over() or (not stage.count("lost") and stopped < STOPS_MOST):
        pid = stage.rng.choice(stage.fleet.pids())
        seconds = float(stage.env["PGFLOW_LEASE_SECONDS"]) + stage.reap_seconds + MARGIN_SECONDS
        stage.fleet.signal(pid, signal.SIGSTOP)
        stage.log(f"{pid} is stopped for {seconds:.1f} s")
        # not cut short where the time is up: a shorter stop would not outlast the lease
        time.sleep(seconds)
        stage.fleet.signal(pid, signal.SIGCONT)
        stopped += 1
        stage.pause(stage.rng.uniform(0.5, 2.0))


def verify(stage: Stage) -> None:
    stage.demand_bite(stage.count("lost"), "no lease has lapsed")


STOP_AND_CONTINUE = Scenario(
    "stop-and-continue",
    "A worker is frozen by SIGSTOP for longer than its lease and woken again: its jobs have gone to others, and what "
    "it says about them then changes nothing.",
    strike,
    verify=verify,
)
