"""pg_terminate_backend, five times a second, of whoever is connected."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

EVERY_SECONDS = 0.2
OTHERS = (
    "select pid from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() order by pid"
)
TERMINATE = "select pg_terminate_backend(%s)"


def strike(stage: Stage) -> None:
    ended = 0
    with psycopg.connect(stage.direct_url, autocommit=True) as conn:
        while not stage.over():
            pids = [row[0] for row in conn.execute(OTHERS)]
            if pids:
                conn.execute(TERMINATE, [stage.rng.choice(pids)])
                ended += 1
            stage.pause(EVERY_SECONDS)
    stage.log(f"{ended} backends were terminated")
    stage.demand_bite(ended, "no backend was there to terminate")


TERMINATE_BACKENDS = Scenario(
    "terminate-backends",
    "pg_terminate_backend ends five connections a second, of workers and clients alike: each is made anew, and a lost "
    "answer is asked for again.",
    strike,
)
