"""The network between: slow, cutting messages in two, resetting, silent."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaos import measure
from chaos.between import proxy_of, put_proxy, starts_in_time
from chaos.faults import Cut, Delay, Silence, born_before, listeners
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.link import Link
    from chaos.stage import Stage

# by a backoff of 5 s at most, and a proof by ring and echo
LISTENING_SECONDS = 20.0
# a poll each 0.2 s, and what a busy machine adds
PROMPT_SECONDS = 1.5
ANSWER_SECONDS = 3.0
NOTICE_SECONDS = 8.0
WINDOW_SECONDS = 5.0


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
        ways = "both ways" if both else "for questions" if to_server else "for answers"
        fate = "late" if fault.late else "lost"
        stage.log(f"{proxy.count()} connections are silent {ways} for {seconds:.1f} s, what is sent is {fate}")
        proxy.strike(fault)
        stage.pause(seconds)
        proxy.heal()
        stage.pause(dice.uniform(2, 6))
    proxy.heal()


def put_proxy_and_watch(stage: Stage) -> None:
    put_proxy(stage)
    for env in (stage.env, stage.client_env):
        env["PGFLOW_DB_ANSWER_TIMEOUT_SECS"] = f"{ANSWER_SECONDS:g}"


def forget(stage: Stage) -> None:
    """Let the connections there are fall silent for good, as by a firewall that forgets them; new ones pass."""
    proxy, rounds = proxy_of(stage), 0
    while not stage.over() or not rounds:
        rounds += 1
        usual = ended_in(stage, WINDOW_SECONDS)
        proxy.strike(Silence(whom=born_before(time.monotonic())))
        stage.log(f"{proxy.count()} connections are silent for good; {usual} jobs had ended in {WINDOW_SECONDS:g} s")
        time.sleep(NOTICE_SECONDS + WINDOW_SECONDS)
        since = ended_in(stage, WINDOW_SECONDS)
        stage.log(f"{since} jobs have ended in {WINDOW_SECONDS:g} s, {NOTICE_SECONDS:g} s after the silence began")
        if since < usual / 3:
            stage.blame(
                "R8", 1, f"{since} of {usual}", f"half-open connections are not left within {NOTICE_SECONDS:g} s"
            )
    proxy.heal()


def ended_in(stage: Stage, seconds: float) -> int:
    return len(measure.ended(stage, time.time() - seconds))


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
    silence, put_proxy_and_watch,
)  # fmt: skip
HALF_OPEN = Scenario(
    "half-open",
    "The connections there are fall silent for good, without an end; new ones pass: workers notice and open new ones.",
    forget, put_proxy_and_watch,
)  # fmt: skip
LISTENER_ONLY = Scenario(
    "listener-only", "Only the connections that listen go silent or are cut: polling finds jobs as fast as ever.",
    deafen, put_proxy,
)  # fmt: skip
