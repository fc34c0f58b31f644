"""The tutorial's code does what its words say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text("utf-8")


def block(mark: str) -> str:
    """The code behind a mark of the page."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"no code behind <!-- {mark} -->"
    return found[1]


@pytest.fixture
def environment(migrated_url: str) -> dict[str, str]:
    """What the tutorial's commands are told."""
    return {**os.environ, "PGFLOW_DATABASE_URL": migrated_url, "PGFLOW_POLL_INTERVAL_MS": "100"}


@pytest.fixture
def shell(environment: dict[str, str], tmp_path: Path) -> Any:
    """Run a command of the tutorial in its directory."""

    def run(*words: str) -> str:
        command = [sys.executable, *words]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@contextmanager
def worker(environment: dict[str, str], directory: Path) -> Iterator[None]:
    """Run the tutorial's worker beside the block."""
    command = [sys.executable, "-m", "pgflow", "worker", "-A", "shop:app"]
    with (directory / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0


def test_the_tutorial_ends_as_it_says(shell: Any, environment: dict[str, str], tmp_path: Path, db: Any) -> None:
    (tmp_path / "shop.py").write_text(block("shop.py"))
    (tmp_path / "enqueue.py").write_text(block("enqueue"))
    greeted = shell("enqueue.py").split()[0]
    with worker(environment, tmp_path):
        until_settled(db)
    jobs = listed(shell)
    by_args = {json.dumps(job["args"]): job for job in jobs}
    assert by_args['["world"]']["id"] == greeted
    assert by_args["[1, 1999]"]["state"] == "succeeded"
    assert (by_args["[2, 20000]"]["reason_code"], by_args["[2, 20000]"]["attempt"]) == ("NON_RETRYABLE", 1)
    assert (by_args["[3, -5]"]["reason_code"], by_args["[3, -5]"]["attempt"]) == ("MAX_ATTEMPTS_EXCEEDED", 3)
    declined = by_args["[2, 20000]"]["id"]
    assert "CARD_DECLINED" in shell("-m", "pgflow", "explain", declined)
    (tmp_path / "shop.py").write_text(block("shop.py").replace("10_000", "100_000"))
    shell("-m", "pgflow", "replay", declined)
    with worker(environment, tmp_path):
        until_settled(db)
    replayed = next(job for job in listed(shell) if job["replay_of"] == declined)
    assert replayed["state"] == "succeeded"
    assert replayed["id"] in shell("-m", "pgflow", "job", declined)


def until_settled(db: Any, seconds: float = 60) -> None:
    """Wait until every job has ended for good."""
    end = time.monotonic() + seconds
    goes_on = "select 1 from pgflow.job_state where state not in ('succeeded', 'dead') limit 1"
    while db.execute(goes_on).fetchone():
        assert time.monotonic() < end, "jobs go on"
        time.sleep(0.02)


def listed(shell: Any) -> list[dict[str, Any]]:
    """List the jobs."""
    found = json.loads(shell("-m", "pgflow", "jobs", "--json"))
    jobs: list[dict[str, Any]] = found["items"] if isinstance(found, dict) else found
    return jobs
