"""The tutorial's code does what its words say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text("utf-8")


def block(mark: str) -> str:
    """The code behind a mark of the page."""
    found = re.search(rf"<!-- {re.escape(mark)} -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    assert found, f"no code behind <!-- {mark} -->"
    return found[1]


@pytest.fixture
def shell(migrated_url: str, tmp_path: Path) -> Any:
    """Run a command of the tutorial in its directory."""

    def run(*words: str) -> str:
        environment = {**os.environ, "PGFLOW_DATABASE_URL": migrated_url}
        done = subprocess.run(
            [sys.executable, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_the_tutorial_ends_as_it_says(shell: Any, tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(block("shop.py"))
    (tmp_path / "enqueue.py").write_text(block("enqueue"))
    greeted = shell("enqueue.py").split()[0]
    jobs = until_settled(shell)
    by_args = {json.dumps(job["args"]): job for job in jobs}
    assert by_args['["world"]']["id"] == greeted
    assert by_args["[1, 1999]"]["state"] == "succeeded"
    assert (by_args["[2, 20000]"]["reason_code"], by_args["[2, 20000]"]["attempt"]) == ("NON_RETRYABLE", 1)
    assert (by_args["[3, -5]"]["reason_code"], by_args["[3, -5]"]["attempt"]) == ("MAX_ATTEMPTS_EXCEEDED", 3)
    declined = by_args["[2, 20000]"]["id"]
    assert "CARD_DECLINED" in shell("-m", "pgflow", "explain", declined)
    (tmp_path / "shop.py").write_text(block("shop.py").replace("10_000", "100_000"))
    shell("-m", "pgflow", "replay", declined)
    replayed = next(job for job in until_settled(shell) if job["replay_of"] == declined)
    assert replayed["state"] == "succeeded"
    assert replayed["id"] in shell("-m", "pgflow", "job", declined)


def until_settled(shell: Any) -> list[dict[str, Any]]:
    """Work in bursts until no job waits, and list them all."""
    while True:
        shell("-m", "pgflow", "worker", "-A", "shop:app", "--burst")
        listed = json.loads(shell("-m", "pgflow", "jobs", "--json"))
        jobs: list[dict[str, Any]] = listed["items"] if isinstance(listed, dict) else listed
        if all(job["state"] in ("succeeded", "dead") for job in jobs):
            return jobs
