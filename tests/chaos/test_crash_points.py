"""Crash points: every statement is reached by the life that is broken, and broken anywhere it is made whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chaos.crash_acts import ALL
from chaos.crash_plan import FAULTS, HOT, Case, plan, share, sliced
from chaos.crash_points import named_in_files
from pgflow.store.points import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

SECONDS = 600
SHARES = 4
ROOT = Path(__file__).parents[2]


def crash(server: str, *words: str) -> tuple[int, str]:
    """Run the command, as a process of its own: it forks, which a process with threads cannot safely do."""
    env = {**os.environ, "PGFLOW_TEST_DATABASE_URL": server}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT / "tests"), str(ROOT / "src")])
    command = [sys.executable, "-m", "chaos.crash_points", *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.returncode, done.stdout + (done.stderr if done.returncode else "")


@pytest.fixture(scope="session")
def edges(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name a file that keeps the edges found, one for all workers of the test run."""
    base = tmp_path_factory.getbasetemp()
    return str((base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "edges.json")


def moments(cases: Sequence[Case]) -> set[tuple[str, str, str]]:
    return {(case.name, case.moment, case.fault) for case in cases}


def test_every_statement_there_is_is_reached_by_the_life_that_is_broken(server_url: str, edges: str) -> None:
    status, told = crash(server_url, "--list", "--edges", edges)
    assert status == 0, told
    reached = {line.partition(": ")[2].rpartition(", ")[0] for line in told.splitlines()}
    assert len(named_in_files()) > 100
    assert named_in_files() - reached == set()


@pytest.mark.parametrize("nth", range(SHARES))
def test_broken_at_any_edge_of_the_hot_path_and_once_at_every_other_statement_all_is_made_whole(
    server_url: str, edges: str, nth: int
) -> None:
    status, told = crash(server_url, "--slice", "--share", str(nth), str(SHARES), "--edges", edges)
    assert status == 0, told


def test_the_plan_has_every_edge_with_every_fault_and_the_slice_every_statement() -> None:
    edges = [Point(name, moment) for name in ("claim", "a", "b", "c") for moment in ("before", "uncommitted")]
    cases = plan([(ALL[0], edges), (ALL[1], edges)])
    assert moments(cases) == {(*edge, fault) for edge in edges for fault in FAULTS}
    chosen = moments(sliced(cases))
    hot = {edge for edge in moments(cases) if edge[0] in HOT}
    assert {edge for edge in chosen if edge[0] in HOT and edge[2] != "stall"} == {e for e in hot if e[2] != "stall"}
    assert sum(edge[0] in HOT and edge[2] == "stall" for edge in chosen) == 1
    assert {name for name, _, _ in chosen} == {"claim", "a", "b", "c"}
    assert len({fault for name, _, fault in chosen if name not in HOT}) == 3
    shares = [share(cases, nth, 3) for nth in range(3)]
    assert sorted(case for part in shares for case in part) == sorted(cases)


def test_an_edge_that_is_not_reached_is_told(server_url: str) -> None:
    status, told = crash(server_url, "--case", "enqueue", "reap", "before", "raise")
    assert status == 1
    assert "the edge was not reached" in told


def test_what_is_not_made_whole_is_told(server_url: str) -> None:
    status, told = crash(server_url, "--case", "work", "finish", "before", "kill", "--unmended")
    assert status == 1
    assert "a job has not ended" in told
