"""`pgflow top`: each queue's last minute, for people, pipes and programs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import typer
from typer.testing import CliRunner

from moves import claim, dead, ended, finish, put
from pgflow.cli.top import COLUMNS, top

if TYPE_CHECKING:
    from pgflow.store.pool import Pool


@pytest.fixture
def database(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command use the test's database."""
    monkeypatch.setenv("PGFLOW_DATABASE_URL", migrated_url)
    monkeypatch.setenv("PGFLOW_DATASET_BUCKET", "none")


def run(*words: str) -> list[str]:
    """Run the command; gives its lines."""
    app = typer.Typer()
    app.command()(top)
    done = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout.splitlines()


@pytest.mark.usefixtures("database")
def test_each_queue_has_a_row_with_its_last_minute(pool: Pool) -> None:
    put(pool, 5)
    put(pool, 1, queue="mail")
    jobs = claim(pool, 4)
    finish(pool, [*map(ended, jobs[:3]), dead(jobs[3])])
    head, first, second = run("--count", "1")
    assert head.split() == list(COLUMNS)
    cells = first.split()
    assert cells[:5] == ["default", "1", "0", "0", "0"]
    assert cells[6:8] == ["75.0%", "0.0%"]
    assert second.split()[:2] == ["mail", "1"]


@pytest.mark.usefixtures("database")
def test_programs_get_a_document_a_look(pool: Pool) -> None:
    put(pool, 2)
    put(pool, 1, queue="mail")
    lines = [json.loads(line) for line in run("--count", "2", "--every", "0.1", "--json", "--queue", "mail")]
    assert [[row["queue"] for row in line["items"]] for line in lines] == [["mail"], ["mail"]]
    assert lines[0]["items"][0]["runnable_queue_depth"] == 1


@pytest.mark.usefixtures("database")
def test_a_database_without_a_queue_says_so() -> None:
    assert run("--count", "1") == ["no queues yet"]
    assert run("--count", "1", "--json") == ['{"items": []}']
