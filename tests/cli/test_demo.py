"""The demo: true counts, quickly, and nothing left in the directory but `.pgflow`."""

from __future__ import annotations

import json
import shlex
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from cli_runs import stopped, until

if TYPE_CHECKING:
    from collections.abc import Callable

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


def test_the_curl_lines_of_the_readme_are_answered_by_a_demo_that_stays_up(pgflow: Command) -> None:
    text = (Path(__file__).parents[2] / "README.md").read_text("utf-8").replace("\\\n", " ")
    lines = [shlex.split(line) for line in text.splitlines() if line.startswith("curl ")]
    assert len(lines) >= 5
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    pgflow.start("demo", "--serve", "--jobs", "20", PGFLOW_ADMIN_ADDR=address)
    with httpx.Client(base_url=f"http://{address}", timeout=10) as client:
        until(lambda: _answers(client))
        said = [_asked(client, line) for line in lines]
    assert said[0] == {"status": "ok"}
    assert len(said[1]["items"]) == 5
    assert said[2]["items"][0]["reason_code"] == "NON_RETRYABLE"
    assert said[3]["items"][0]["queue"] == "demo"
    assert said[4].keys() == {"job_id"}


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/health").is_success and len(client.get("/jobs?limit=25").json()["items"]) > 22
    except httpx.HTTPError:
        return False


def _asked(client: httpx.Client, line: list[str]) -> Any:
    target = next(word for word in line if word.startswith("localhost:3003"))
    path = target.removeprefix("localhost:3003")
    if "-d" in line:
        header = line[line.index("-H") + 1].split(": ")
        answer = client.post(path, content=line[line.index("-d") + 1], headers=[(header[0], header[1])])
    else:
        answer = client.get(path)
    assert answer.is_success, (path, answer.text)
    return answer.json()
