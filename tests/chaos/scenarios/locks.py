"""Locks of others: a snapshot held for long, tables locked exclusively, deadlocks."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

TABLES = (
    "ready", "scheduled", "leases", "attempts", "jobs", "stats", "workers", "queues", "dead_letters", "cancellations",
    "unique_keys", "rates",
)  # fmt: skip
# the product takes leases before attempts and attempts before stats: the other way round, it deadlocks with us
PAIRS = (
    ("attempts", "leases"),
    ("stats", "attempts"),
    ("ready", "leases"),
    ("stats", "leases"),
    ("attempts", "queues"),
)
SNAPSHOT_SECONDS = 8.0


def setup(stage: Stage) -> None:
    stage.ask("alter system set deadlock_timeout = '200ms'")
    stage.ask("select pg_reload_conf()")


def strike(stage: Stage) -> None:
    holder = threading.Thread(target=hold_snapshots, args=(stage,), name="snapshots")
    holder.start()
    deadlocks = 0
    while not stage.over():
        lock(stage, stage.rng.choice(TABLES), stage.rng.uniform(1.0, 3.0))
        deadlocks += provoke(stage, *stage.rng.choice(PAIRS))
        stage.pause(stage.rng.uniform(0.5, 1.5))
    holder.join()
    stage.log(f"{deadlocks} of our own transactions were the victims of deadlocks")


def hold_snapshots(stage: Stage) -> None:
    """Hold a snapshot, as a report does, and another when that is old."""
    while not stage.over():
        with psycopg.connect(stage.direct_url) as conn:
            conn.execute("set transaction isolation level repeatable read")
            conn.execute("select count(*) from pgflow.jobs")
            stage.pause(SNAPSHOT_SECONDS)


def lock(stage: Stage, table: str, seconds: float) -> None:
    """Lock one table against everyone."""
    with psycopg.connect(stage.direct_url) as conn:
        take(conn, table, "access exclusive")
        stage.log(f"{table} is locked for {seconds:.1f} s")
        stage.pause(seconds)


def provoke(stage: Stage, first: str, second: str) -> bool:
    """Lock two tables in the order the product does not; gives whether we were the victim."""
    try:
        with psycopg.connect(stage.direct_url) as conn:
            take(conn, first, "share row exclusive")
            stage.pause(0.3)
            take(conn, second, "share row exclusive")
    except psycopg.errors.DeadlockDetected:
        return True
    return False


def take(conn: psycopg.Connection[Any], table: str, mode: str) -> None:
    conn.execute(sql.SQL("lock table {} in {} mode").format(sql.Identifier("pgflow", table), sql.SQL(mode)))


def verify(stage: Stage) -> None:
    deadlocks = stage.server.home.log.read_text(encoding="utf-8", errors="replace").count("deadlock detected")
    stage.log(f"{deadlocks} deadlocks in the server's log")
    stage.demand_bite(deadlocks, "there was no deadlock")


LOCKS = Scenario(
    "locks",
    "Others hold a snapshot all the time, lock pgflow's tables exclusively for 1 to 3 s and provoke deadlocks with it: "
    "it waits, tries again, and goes on.",
    strike,
    setup,
    verify=verify,
)
