"""The network between: slow, cutting messages in two, resetting, silent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaos.between import proxy_of, put_proxy, starts_in_time
from chaos.faults import Cut, Delay, Silence, listeners
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.link import Link
    from chaos.stage import Stage

LISTENING_SECONDS = 5.0
# a poll each 0.2 s, and what a busy machine adds
PROMPT_SECONDS = 1.5


def delay(stage: Stage) -> None:
    proxy, dice = proxy_of(stage), stage.rng
    while not stage.over():
        fault = Delay(dice.uniform(0.005, 0.15), jitter=dice.uniform(0, 0.15))
        stage.log(f"each message waits {fault.seconds:.3f} s and up to {fault.jitter:.3f} s more")
        proxy.strike(fault)
        stage.pause(dice.uniform(1, 4))
    proxy.heal()


def cut(stage: Stage) -> None:
    proxy, dice = proxy_of(stage), stage.rng
    while not stage.over():
        proxy.strike(Cut(dice.uniform(0.002, 0.02)))
        stage.pause(dice.uniform(1, 3))
    proxy.heal()
    stage.log(f"{proxy.cuts} messages were cut in two")
    stage.demand_bite(proxy.cuts, "no message was cut")


def reset(stage: Stage) -> None:
    proxy, dice, ended = proxy_of(stage), stage.rng, 0
    while not stage.over():
        share = dice.choice([0.2, 0.2, 0.5, 1.0])

        def chosen(_link: Link, share: float = share) -> bool:
            return dice.random() < share

        ended += proxy.reset(chosen)
        if dice.random() < 0.2:
            proxy.refuse()
            stage.pause(dice.uniform(0.5, 3))
            proxy.admit()
        stage.pause(dice.uniform(0.1, 1))
    proxy.heal()
    stage.log(f"{ended} connections were reset")
    stage.demand_bite(ended, "no connection was reset")


def silence(stage: Stage) -> None:
    proxy, dice = proxy_of(stage), stage.rng
    while not stage.over():
        both = dice.random() < 0.6
        to_server = both or dice.random() < 0.5
        fault = Silence(late=dice.random() < 0.5, to_server=to_server, to_client=both or not to_server)
        seconds = dice.uniform(5, 20)
        stage.log(f"{proxy.count()} connections are silent for {seconds:.1f} s: {fault}")
        proxy.strike(fault)
        stage.pause(seconds)
        proxy.heal()
        stage.pause(dice.uniform(2, 6))
    proxy.heal()


def deafen(stage: Stage) -> None:
    proxy, dice, begin, hung_up = proxy_of(stage), stage.rng, time.time(), 0
    wait_for_listeners(stage)
    while not stage.over():
        stage.log(f"{proxy.count(listeners)} listeners are silent")
        proxy.strike(Silence(late=dice.random() < 0.5, whom=listeners))
        stage.pause(dice.uniform(2, 6))
        proxy.heal()
        for _ in range(dice.randrange(1, 6)):
            hung_up += proxy.hang_up(listeners) + proxy.reset(listeners)
            stage.pause(dice.uniform(0.1, 1))
    proxy.heal()
    stage.log(f"{hung_up} listeners were hung up on")
    stage.demand_bite(hung_up, "no listener was hung up on")
    starts_in_time(stage, begin, PROMPT_SECONDS)
    wait_for_listeners(stage)


def wait_for_listeners(stage: Stage) -> None:
    proxy, end = proxy_of(stage), time.monotonic() + LISTENING_SECONDS
    while proxy.count(listeners) < stage.workers:
        assert time.monotonic() < end, f"{proxy.count(listeners)} of {stage.workers} workers listen"
        time.sleep(0.05)


DELAYS = Scenario(
    "proxy-delays", "Each message waits up to 0.3 s, differently each: all goes on, only slower.", delay, put_proxy
)
CUTS = Scenario(
    "proxy-cuts", "Connections end in the midst of a message, either way: every fate is known or asked for.",
    cut, put_proxy,
)  # fmt: skip
RESETS = Scenario(
    "proxy-resets", "Connections are reset, some or all, and new ones refused for a while: workers come back.",
    reset, put_proxy,
)  # fmt: skip
BLACK_HOLE = Scenario(
    "proxy-black-hole",
    "For 5 to 20 s nothing passes and nothing is closed, both ways or one; what was sent is lost or comes late.",
    silence, put_proxy,
)  # fmt: skip
LISTENER_ONLY = Scenario(
    "listener-only", "Only the connections that listen go silent or are cut: polling finds jobs as fast as ever.",
    deafen, put_proxy,
)  # fmt: skip
