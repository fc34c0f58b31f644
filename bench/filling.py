"""Fills an empty database with a history of jobs, as `pgflow doctor` would have it, by a few large statements."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from pgflow.store import buckets
from pgflow.store.pool import Pool
from pgflow.store.statement import load

DAYS: Final = 5
JOBS_A_DECISION: Final = 20
STEPS: Final = (
    "table", "rows", "jobs", "attempts", "ready", "scheduled", "leases", "workers", "letters", "decisions", "stats",
)  # fmt: skip
TABLES: Final = "jobs, attempts, ready, scheduled, leases, workers, dead_letters, decisions, stats"


def fill(dsn: str, jobs: int = 2_000_000) -> None:
    """Fill a migrated, empty database: 10 queues, 20 tasks, 40 workers, five days; two million take three minutes."""
    _make_buckets(dsn)
    params = {"jobs": jobs, "days": DAYS, "decisions": jobs // JOBS_A_DECISION}
    with psycopg.connect(dsn) as conn:
        conn.execute("set local jit = off")
        conn.execute("set local synchronous_commit = off")
        conn.execute("set local work_mem = '256MB'")
        for step in STEPS:
            begun = time.monotonic()
            text = load(f"filling_{step}", package="bench").text
            conn.execute(text.encode(), params if "%(" in text else None)
            print(f"filled {step} in {time.monotonic() - begun:.1f} s", flush=True)
    with psycopg.connect(dsn, autocommit=True) as conn:
        for table in TABLES.split(", "):
            conn.execute(psycopg.sql.SQL("vacuum analyze {}").format(psycopg.sql.Identifier("pgflow", table)))


def _make_buckets(dsn: str) -> None:
    pool = Pool(dsn)
    for days in range(DAYS, -1, -1):
        buckets.ensure(pool, "day", datetime.now(UTC) - timedelta(days=days))
    pool.close()
