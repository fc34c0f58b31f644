"""The demo: true counts, quickly, and nothing left in the directory but `.pgflow`."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import stopped, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import psycopg
    from cli_runs import Command

TIMELINE_KEYS = "job_id status queue job_type run_at next_run_at last_worker_id last_error attempts events"

COUNTS = """
select (select count(*) from pgflow.jobs), count(*) filter (where state = 'succeeded'),
  (select count(distinct a.job_id) from pgflow.attempts as a join pgflow.attempts as b using (job_id)
   where a.outcome = 'failed' and b.attempt > a.attempt),
  count(*) filter (where state = 'dead'), (select count(*) from pgflow.jobs where replay_of is not null)
from pgflow.job_state
"""


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_demo_counts_what_the_database_holds(pgflow: Command, db: psycopg.Connection[Any], backend: str) -> None:
    told = json.loads(pgflow("demo", "--json", "--jobs", "60", "--backend", backend).stdout)
    assert list(told) == ["enqueued", "succeeded", "retried", "dead", "replayed", "seconds"]
    assert db.execute(COUNTS).fetchone() == tuple(told.values())[:5]
    assert all(count > 0 for count in told.values())
    assert told["enqueued"] == told["succeeded"] + told["dead"]
    assert told["seconds"] < 10


def test_a_second_demo_counts_its_own_jobs_only(pgflow: Command) -> None:
    first, second = (json.loads(pgflow("demo", "--json", "--jobs", "20").stdout) for _ in range(2))
    assert first | {"seconds": 0} == second | {"seconds": 0}


def test_the_demo_needs_no_database_and_leaves_only_its_own_directory(bare_command: Command, tmp_path: Path) -> None:
    bare_command.environment["PGFLOW_DATASET_BUCKET"] = "none"
    done = bare_command("demo")
    assert "embedded PostgreSQL in .pgflow/postgres" in done.stderr
    for words in ("database: ", "enqueued:    305", "retried", "explained", "warehouse did not answer", "pgflow dlq"):
        assert words in done.stdout
    assert [path.name for path in tmp_path.iterdir()] == [".pgflow"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_stays_up_works_on_and_ends_cleanly(
    pgflow: Command, db: psycopg.Connection[Any], number: int
) -> None:
    process = pgflow.start("demo", "--serve", "--jobs", "20")
    trickled = "select count(*) > 21 from pgflow.job_state where state = 'succeeded'"
    until(lambda: db.execute(trickled).fetchone() == (True,))
    code, errors = stopped(process, number, within=4)
    assert code == 0, errors
    assert "error" not in errors


def test_a_job_is_told_and_explained(pgflow: Command, until_state: Callable[[str, str], None]) -> None:
    job_id = pgflow.json("enqueue", "cli_tasks.fail_later", "-A", "cli_tasks:app")["job_id"]
    pgflow("worker", "-A", "cli_tasks:app", "--burst", "-l", "warning")
    until_state(job_id, "retrying")
    told = pgflow.json("job", job_id)
    assert list(told) == TIMELINE_KEYS.split()
    assert (told["status"], told["job_type"]) == ("retrying", "cli_tasks.fail_later")
    run = told["attempts"][0]
    assert (run["attempt_no"], run["status"], run["error_code"]) == (1, "failed", "UNKNOWN")
    assert run["latency_ms"] >= 0
    assert run["suggested_action"]
    assert told["events"][0]["event"] == "enqueued"
    shown = pgflow("job", job_id).stdout
    for words in (job_id, "retrying", "1 of 2 allowed", "ValueError: not today", "last traceback", "Traceback"):
        assert words in shown
    assert job_id == pgflow.json("explain", job_id)["job_id"]
    assert "cli_tasks.fail_later" in pgflow("explain", job_id).stdout
    assert "no job" in pgflow.refused("job", "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10", code=1)
