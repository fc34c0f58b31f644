"""Idle: what a worker costs that has nothing to do."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from pgflow.bench.meter import Meter
from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load
from pgflow.store.sending import execute
from pgflow.store.statement import Query, Statement

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

SECONDS: Final = 20.0
SETTLE_SECONDS: Final = 6.0
WARM_JOBS: Final = 10
COUNTS_STATEMENTS: Final = Query(
    "bench/counts_statements",
    "select current_setting('is_superuser') = 'on' and exists (select from pg_settings "
    "where name = 'shared_preload_libraries' and setting like '%%pg_stat_statements%%')",
)
STATEMENTS: Final = Query(
    "bench/statements",
    "select sum(s.calls)::bigint from pg_stat_statements as s join pg_database as d on d.oid = s.dbid "
    "where d.datname = current_database()",
)
TRANSACTIONS: Final = Query(
    "bench/transactions",
    "select xact_commit + xact_rollback from pg_stat_database where datname = current_database()",
)


def idle(bench: Bench) -> Figures:
    """Let workers wait; what is counted is of all of them, this benchmark asks nothing meanwhile."""
    seconds = bench.options.seconds or SECONDS
    counting, name = _counter(bench)
    with bench.working(Load(jobs=WARM_JOBS)) as crew:
        time.sleep(min(SETTLE_SECONDS, seconds))
        with Meter(bench.dsn, crew.pids) as meter:
            before = _count(bench, counting)
            time.sleep(seconds)
            count = _count(bench, counting) - before - 1  # the first of these two is counted by the second
        cost, workers = meter.cost, len(crew.pids)
    server = None if cost.server_cpu is None else 100 * cost.server_cpu / cost.wall
    return {
        name: count / cost.wall / workers,
        "cpu_percent": 100 * cost.client_cpu / cost.wall / workers,
        "server_cpu_percent": server,
        "wal_bytes_per_sec": None if cost.wal is None else cost.wal / cost.wall,
        "rss_mb": cost.rss_bytes / 1e6 / workers,
    }


def _count(bench: Bench, counting: Query) -> int:
    return bench.pool.run(Statement(counting, {}, lambda rows: int(rows[0][0])))


def _counter(bench: Bench) -> tuple[Query, str]:
    if bench.pool.run(Statement(COUNTS_STATEMENTS, {}, lambda rows: bool(rows[0][0]))):
        with bench.pool.connection() as conn:
            execute(conn, "bench/extension", "create extension if not exists pg_stat_statements")
        return STATEMENTS, "statements_per_sec"
    return TRANSACTIONS, "transactions_per_sec"


SCENARIOS: Final = (
    Scenario(
        name="idle", about=f"a worker with nothing to do, for {SECONDS:g} s unless --seconds", run=idle, jobs=0,
        heeds=frozenset({"backend", "processes", "seconds"}),
    ),
)  # fmt: skip
