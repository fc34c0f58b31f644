"""Five scenarios of chaos under a fixed seed, and a thief among them whom the harness must notice."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from chaos import tasks
from chaos.figures import Flat, Series
from chaos.ledger import Ledger
from chaos.measure import back_since
from chaos.offering import offered
from chaos.play import Limits, play
from chaos.scenario import Scenario, find_all

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.stage import Stage

SEED = 20261126
JOBS = 400
SECONDS = 24.0
SHARED = Limits(recovery_seconds=20, drain_seconds=120)
MEMORY = Path("/dev/shm")  # noqa: S108 - a directory for the length of a test, in memory: fsync is on, and costs nothing
ROOM_BYTES = 1_000_000_000
SLICE = ("kill-workers", "restart-server", "terminate-backends", "stop-and-continue", "admin-storm")

linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the harness looks at processes in /proc")


@pytest.fixture
def directory(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A directory whose logs and ledgers are kept, without the server, where a test has failed."""
    place = Path(tempfile.mkdtemp(prefix="pgflow-chaos-", dir=MEMORY if has_room(MEMORY) else tmp_path))
    yield place
    shutil.rmtree(place / "server", ignore_errors=True)
    shutil.copytree(place, tmp_path / "kept")
    shutil.rmtree(place)


def has_room(path: Path) -> bool:
    return os.access(path, os.W_OK) and shutil.disk_usage(path).free > ROOM_BYTES


@linux
@pytest.mark.parametrize("name", SLICE)
def test_nothing_is_lost_and_work_goes_on(name: str, directory: Path, tmp_path: Path) -> None:
    scenario = next(each for each in find_all() if each.name == name)
    result = play(scenario, seed=SEED, jobs=JOBS, seconds=SECONDS, directory=directory, limits=SHARED)
    assert result.is_fine, f"{result.line()}\n    logs and ledgers in {tmp_path / 'kept'}"
    assert result.enqueued > JOBS / 4, result.line()


@linux
def test_a_job_that_is_stolen_or_forgotten_is_missed(directory: Path) -> None:
    thief = Scenario("thief", "Someone takes jobs out of the tables.", steal)
    result = play(thief, seed=SEED, jobs=JOBS // 2, seconds=SECONDS, directory=directory, limits=SHARED)
    assert not result.error, result.error
    missed = {(violation["invariant"], violation["detail"]) for violation in result.violations}
    assert ("I1", "an acknowledged enqueue is not in the tables") in missed
    assert ("I1", "a job has not ended") in missed
    assert ("I11", "a job has no business row") in missed
    assert not result.is_fine


def steal(stage: Stage) -> None:
    """Take away a job whole, the entry of another, and an order."""
    tasks.app.configure(database_url=stage.direct_url, embedded=False)
    with Ledger(stage.ledger_dir) as book, closing(tasks.app):
        for tables in (["scheduled.job_id", "jobs.id"], ["scheduled.job_id"]):
            with offered([f"taken out of {tables}"], "quick", book) as answer:
                answer.ids = [tasks.quick.options(delay=3600).enqueue().id]
            for table, column in (name.split(".") for name in tables):
                stage.ask(f"delete from pgflow.{table} where {column} = %s", answer.ids)
    stage.ask("delete from orders where token = (select min(token) from orders)")


def test_throughput_is_back_when_two_windows_in_a_row_are_full() -> None:
    steady = [0.1 * n for n in range(100)]
    assert back_since(steady, 0.0, 10.0, rate=9.0, window=3.0) == 0.0
    gap = [moment for moment in steady if not 2.0 <= moment < 4.0]
    since = back_since([*gap, *(10 + moment for moment in steady)], 0.0, 20.0, rate=9.0, window=3.0)
    assert since == pytest.approx(4.0, abs=0.3)
    burst = [0.0] * 100
    assert back_since(burst, 0.0, 10.0, rate=9.0, window=3.0) is None


def test_a_figure_that_grows_is_told_from_one_that_jumps_once() -> None:
    leak, spike, saw = (Series(name, Flat(8.0, "MB", is_sawtooth=name == "saw")) for name in ("leak", "spike", "saw"))
    for second in range(300):
        leak.add(second, 100 + second / 20)
        spike.add(second, 150 if second == 200 else 100)
        saw.add(second, second % 60)
    assert [series.has_grown for series in (leak, spike, saw)] == [True, False, False]
    assert leak.growth == pytest.approx(14.95)
