"""The meter counts what it says: this process or a tree of others, all of the server, and the most memory held."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgflow.bench import processes
from pgflow.bench.meter import Cost, Meter

if TYPE_CHECKING:
    from collections.abc import Iterator

WORK = "sum(range(2_000_000))"
FAMILY = f"""
import subprocess, sys
for line in sys.stdin:
    subprocess.run([sys.executable, "-c", "{WORK}"], check=True)
    print(len(bytearray(60_000_000)), flush=True)
"""


@pytest.fixture
def family() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        process.kill()


def burn(seconds: float) -> None:
    import time

    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_this_process_is_the_client_where_no_other_is_named() -> None:
    with Meter(None) as meter:
        burn(0.1)
    assert 0.1 <= meter.cost.client_cpu < 0.2
    assert meter.cost.wall >= 0.1
    assert meter.cost.rss_bytes > 10_000_000
    assert (meter.cost.server_cpu, meter.cost.wal) == (None, None)


def test_children_that_end_meanwhile_and_a_peak_that_is_over_are_counted(family: subprocess.Popen[str]) -> None:
    assert family.stdin
    assert family.stdout
    with Meter(None, [family.pid]) as meter:
        family.stdin.write("go\n")
        family.stdin.flush()
        family.stdout.readline()
        burn(0.3)
    assert 0.02 < meter.cost.client_cpu < 0.3, "its own, and that of the child it waited for, but not ours"
    assert meter.cost.rss_bytes > 60_000_000


def test_sessions_that_come_and_end_meanwhile_are_the_server_s(database_url: str) -> None:
    with Meter(database_url) as meter, psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("create table numbers as select n from generate_series(1, 100000) as n")
    assert (meter.cost.server_cpu or 0) > 0.01
    assert (meter.cost.wal or 0) > 1_000_000


def test_sessions_of_other_databases_are_left_out(database_url: str, server_url: str) -> None:
    with psycopg.connect(server_url) as stranger, psycopg.connect(database_url) as own, Meter(database_url) as meter:
        other, ours = stranger.info.backend_pid, own.info.backend_pid
    assert other in meter._server._foreign
    assert ours not in meter._server._foreign
    assert meter._server._apart({other: 1.0, ours: 1.0}, {other: 3.0, ours: 9.0}) == 2.0


def test_a_server_without_postgresql_is_measured_by_its_processes(family: subprocess.Popen[str]) -> None:
    assert family.stdin
    assert family.stdout
    with Meter(None, server_pids=[family.pid]) as meter:
        family.stdin.write("go\n")
        family.stdin.flush()
        family.stdout.readline()
    assert (meter.cost.server_cpu or 0) > 0.02


def test_the_cost_is_not_told_before_the_end() -> None:
    with Meter(None) as meter, pytest.raises(RuntimeError, match="behind the block"):
        _ = meter.cost


def test_a_cost_is_told_for_each_job_and_what_is_not_known_as_a_dash() -> None:
    known = "jobs_per_sec=500 cpu_us_per_job=22.0 client_cpu_us_per_job=12.0 server_cpu_us_per_job=10.0"
    assert Cost(2.0, 0.012, 0.01, 400_000, 60_000_000).line(1_000) == f"{known} wal_bytes_per_job=400 rss_mb=60.0"
    unknown = "jobs_per_sec=500 cpu_us_per_job=- client_cpu_us_per_job=12.0 server_cpu_us_per_job=-"
    assert Cost(2.0, 0.012, None, None, 0).line(1_000) == f"{unknown} wal_bytes_per_job=- rss_mb=0.0"


def test_a_process_that_is_gone_is_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(processes, "PROC", tmp_path)
    assert processes.stat(1) is None
    assert processes.children(1) == []
    assert processes.peak_rss(1) == 0
