"""Three worker processes drain one queue, one of them is killed with -9: nothing is lost, no attempt doubled."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from noop_tasks import nothing
from pgflow import App

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

JOBS = int(os.environ.get("PGFLOW_CRASH_JOBS", "10000"))
WORKERS = 3


@pytest.fixture
def start(migrated_url: str, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[bytes]]]:
    """Start `pgflow worker` processes, and end those that the test leaves."""
    started: list[subprocess.Popen[bytes]] = []

    def start(backend: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pgflow", "worker", "-A", "noop_tasks:app", "--backend", backend]
        environment = {
            **os.environ,
            "PGFLOW_DATABASE_URL": migrated_url,
            "PGFLOW_LEASE_SECONDS": "2",
            "PGFLOW_REAP_INTERVAL_MS": "200",
            # what was in the killed one's hands comes back one by one, as suspects: fewer jobs, not a lesser test
            "PGFLOW_DEQUEUE_BATCH_SIZE": "100",
            "PYTHONPATH": str(Path(__file__).parent),
        }
        with (tmp_path / f"worker-{len(started)}.log").open("wb") as log:
            started.append(
                subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=log, stderr=subprocess.STDOUT)
            )
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_killed_worker_loses_nothing_and_doubles_nothing(
    start: Callable[[str], subprocess.Popen[bytes]], migrated_url: str, db: Any, backend: str
) -> None:
    with closing(App("noop", dsn=migrated_url)) as app:
        app.task(name="noop_tasks.nothing", queue="noop")(nothing.function).enqueue_many(
            [((n,), {}) for n in range(JOBS)]
        )
    workers = [start(backend) for _ in range(WORKERS)]
    wait_until(lambda: ended(db) > JOBS // 10)
    assert ended(db) < JOBS, "the queue was drained before a worker could be killed: raise PGFLOW_CRASH_JOBS"
    workers[0].send_signal(signal.SIGKILL)
    wait_until(lambda: ended(db) == JOBS)
    for worker in workers[1:]:
        worker.send_signal(signal.SIGTERM)
    assert [worker.wait(30) for worker in workers[1:]] == [0, 0]
    assert db.execute("select state, count(*) from pgflow.job_state group by 1").fetchall() == [("succeeded", JOBS)]
    assert db.execute("select count(*) from pgflow.attempts where outcome = 'succeeded'").fetchone() == (JOBS,)
    gaps = "select 1 from pgflow.attempts group by job_id having count(*) <> max(attempt)"
    assert db.execute(gaps).fetchall() == []
    left = [
        db.execute(f"select count(*) from pgflow.{table}").fetchone()[0] for table in ("ready", "scheduled", "leases")
    ]
    assert left == [0, 0, 0]


def ended(db: Any) -> int:
    """How many jobs have succeeded."""
    return int(db.execute("select count(*) from pgflow.attempts where outcome = 'succeeded'").fetchone()[0])


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.01)
