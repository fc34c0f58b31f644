"""What a stretch of work cost: wall time, CPU of this process and of PostgreSQL's backends, WAL."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import psycopg

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Cost:
    """Totals of a stretch; `server_cpu` is None where PostgreSQL runs on another machine."""

    wall: float
    client_cpu: float
    server_cpu: float | None
    wal: int

    def line(self, jobs: int) -> str:
        """Say it for each job."""
        server = "?" if self.server_cpu is None else f"{self.server_cpu / jobs * 1e6:.1f}"
        return (
            f"jobs_per_sec={jobs / self.wall:,.0f} client_cpu_us_per_job={self.client_cpu / jobs * 1e6:.1f} "
            f"server_cpu_us_per_job={server} wal_bytes_per_job={self.wal / jobs:.0f}"
        )


class Meter:
    """Measures the block it is entered for."""

    def __init__(self, dsn: str) -> None:
        self._conn = psycopg.connect(dsn, autocommit=True)
        self.cost: Cost | None = None

    def __enter__(self) -> Self:
        """Start."""
        self._dead_cpu: dict[int, float] = {}
        self._before = (time.monotonic(), time.process_time(), self._server_cpu(), self._wal())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and keep the cost."""
        wall, client, server, wal = self._before
        now = self._server_cpu()
        spent = None if server is None or now is None else sum(now.values()) - sum(server.get(pid, 0.0) for pid in now)
        self.cost = Cost(time.monotonic() - wall, time.process_time() - client, spent, self._wal() - wal)

    def _server_cpu(self) -> dict[int, float] | None:
        pids = [row[0] for row in self._query("select pid from pg_stat_activity where datname = current_database()")]
        found = {pid: _cpu(pid) for pid in pids}
        return None if None in found.values() else {pid: cpu for pid, cpu in found.items() if cpu is not None}

    def _wal(self) -> int:
        return int(self._query("select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")[0][0])

    def _query(self, text: Any) -> list[tuple[Any, ...]]:
        return self._conn.execute(text).fetchall()


def _cpu(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / TICKS
