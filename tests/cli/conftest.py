"""The command on a database of the test's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import Command, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

HERE = Path(__file__).parent


@pytest.fixture
def bare_command(tmp_path: Path) -> Iterator[Command]:
    """The command without a database."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PGFLOW_", "COV_"))}
    places = os.pathsep.join([str(HERE), *filter(None, [kept.get("PYTHONPATH")])])
    command = Command(tmp_path, {**kept, "PYTHONPATH": places, "COLUMNS": "80"})
    yield command
    for process in command.started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def pgflow(bare_command: Command, migrated_url: str) -> Command:
    """The command on the test's migrated database."""
    quick = {"PGFLOW_POLL_INTERVAL_MS": "100", "PGFLOW_REAP_INTERVAL_MS": "200", "PGFLOW_DATASET_BUCKET": "none"}
    bare_command.environment |= {"PGFLOW_DATABASE_URL": migrated_url, **quick}
    return bare_command


@pytest.fixture
def until_state(db: psycopg.Connection[Any]) -> Callable[[str, str], None]:
    """Wait until a job is in a state."""

    def wait(job_id: str, state: str) -> None:
        seen = until(
            lambda: db.execute(
                "select state from pgflow.job_state where id = %s and state = %s", [job_id, state]
            ).fetchone()
        )
        assert seen

    return wait
