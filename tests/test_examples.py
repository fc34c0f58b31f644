"""Every example runs as a script, and prints what it says it shows."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
SHOWN = {
    "quickstart.py": ["enqueued: queued", "state: succeeded", "result: hello, world"],
    "order_and_receipt.py": [
        "order 2 failed: the card was declined",
        "order 4 failed: the card was declined",
        "orders: [1, 3]",
        "receipt of order 1 to a@example.com",
        "receipt of order 3 to b@example.com",
    ],
    "async_and_sync.py": [
        "pages: 190",
        "the squares up to 100 make 338350",
        "unsteady: succeeded at attempt 3",
        "charge: dead, BANK_CLOSED: the bank opens at nine",
        "replayed: succeeded",
    ],
    "schedules.py": [
        "the next 5 reports come at 12:00",
        "a pulse, and a pulse",
        "the report of Paris",
        "noon: paused (the office is closed), 0 slots fired",
    ],
    "two_databases.py": [
        "north: ada paid 100",
        "north: edsger paid 102",
        "south: barbara paid 103",
        "south: grace paid 101",
    ],
    "trio_app.py": ["3.05 m", "6.10 m", "9.14 m", "the worker has ended"],
}


def test_every_example_is_known_here() -> None:
    assert {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.glob("*.py")} == set(SHOWN)


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_runs_and_shows_what_it_says(name: str, migrated_url: str, tmp_path: Path) -> None:
    environment = {**os.environ, "PGFLOW_DATABASE_URL": migrated_url}
    command = [sys.executable, "-W", "error", str(EXAMPLES / name)]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == SHOWN[name]


def test_an_example_needs_no_database_of_ones_own(tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PGFLOW_")}
    command = [sys.executable, str(EXAMPLES / "quickstart.py")]
    ran = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.splitlines() == SHOWN["quickstart.py"]
    assert "embedded PostgreSQL" in ran.stderr
    assert [path.name for path in tmp_path.iterdir()] == [".pgflow"]
