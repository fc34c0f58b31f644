"""The tutorial of plugins: its blocks are the files of the example, and what it promises happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "first_plugin"
PAGE = (ROOT / "docs" / "first-plugin.md").read_text("utf-8")
FILES = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", PAGE, re.DOTALL))
METADATA = "Metadata-Version: 2.1\nName: pgflow-quiet-hours\nVersion: 0.1.0\n"


@pytest.fixture
def environment(tmp_path: Path, migrated_url: str) -> dict[str, str]:
    """Where the plugin is installed, as pip leaves it: importable, with its entry point."""
    info = tmp_path / "pgflow_quiet_hours-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[pgflow]\nquiet = quiet_hours:Quiet\n")
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return {**os.environ, "PYTHONPATH": str(tmp_path), "PGFLOW_DATABASE_URL": migrated_url, "COLUMNS": "200"}


def run(*words: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=environment["PYTHONPATH"], env=environment, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_its_blocks_are_the_files_of_the_example() -> None:
    assert {path.name for path in EXAMPLE.iterdir() if path.is_file()} == FILES.keys()
    for name, text in FILES.items():
        assert (EXAMPLE / name).read_text("utf-8") == text, name


def test_the_plugin_is_listed_and_its_command_works(environment: dict[str, str]) -> None:
    items = json.loads(run("-m", "pgflow", "plugins", "--json", environment=environment))["items"]
    [quiet] = [item for item in items if item["name"] == "quiet"]
    assert (quiet["state"], quiet["distribution"]) == ("on", "pgflow-quiet-hours")
    assert "pgflow_before_enqueue" in quiet["hooks"]
    assert run("-m", "pgflow", "quiet", environment=environment).startswith("it is ")


def test_at_night_a_job_is_refused_and_the_decision_is_on_record(environment: dict[str, str]) -> None:
    night = {**environment, "PGFLOW_QUIET_FIRST_HOUR": "1", "PGFLOW_QUIET_LAST_HOUR": "0"}
    both = night | {"PGFLOW_QUIET_FIRST_HOUR": "0", "PGFLOW_QUIET_LAST_HOUR": "23"}
    said = [run("try_it.py", environment=one) for one in (night, both)]
    assert any(text.startswith("QUIET_HOURS: calls is quiet from") for text in said)
    assert "QUIET_HOURS" in run("-m", "pgflow", "decisions", environment=environment)
    day = {**environment, "PGFLOW_QUIET_FIRST_HOUR": "0", "PGFLOW_QUIET_LAST_HOUR": "0"}
    assert run("try_it.py", environment=day).startswith("enqueued ")


def test_its_tests_pass(environment: dict[str, str], server_url: str) -> None:
    given = {**environment, "PGFLOW_TEST_DATABASE_URL": server_url}
    del given["PGFLOW_DATABASE_URL"]
    assert "2 passed" in run("-m", "pytest", "-q", "-p", "no:cacheprovider", environment=given)
