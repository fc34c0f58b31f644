"""What stands between workers and their server in a scenario, and how long jobs wait while it does."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from chaos.proxy import Proxy

if TYPE_CHECKING:
    from chaos.stage import Stage

WAITS = """
select count(*), percentile_cont(0.95) within group (order by extract(epoch from a.started_at - j.run_at))::float8
from pgflow.attempts as a join pgflow.jobs as j on j.id = a.job_id
where a.attempt = 1 and a.started_at is not null and j.queue = 'quick'
  and j.created_at between to_timestamp(%(begin)s) and to_timestamp(%(end)s)
"""


def put_proxy(stage: Stage) -> None:
    """Put a proxy before the server, for workers and clients alike."""
    proxy = Proxy(stage.server.url, random.Random(stage.rng.random()))  # noqa: S311 - replayable by the run's seed
    stage.props["proxy"] = stage.endings.enter_context(proxy)
    stage.url = proxy.address(stage.server.url)


def proxy_of(stage: Stage) -> Proxy:
    """The proxy that `put_proxy` has put there."""
    proxy = stage.props["proxy"]
    assert isinstance(proxy, Proxy)
    return proxy


def waited_seconds(stage: Stage, begin: float) -> float:
    """Within how many seconds 95 of a hundred quick jobs started that were asked for since `begin` and are over."""
    count, seconds = stage.ask(WAITS, {"begin": begin, "end": time.time()})[0]
    return float(seconds) if count else time.time() - begin


def starts_in_time(stage: Stage, begin: float, most: float) -> None:
    """Hold that jobs have gone on starting as fast as polls find them; blame what has not."""
    seconds = waited_seconds(stage, begin)
    stage.log(f"95 of 100 quick jobs started within {seconds:.2f} s")
    if seconds > most:
        stage.blame("R6", 1, f"{seconds:.2f} s", f"5 of 100 quick jobs waited longer than {most:g} s for a poll")
