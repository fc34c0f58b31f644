"""A real worker process that is of no use any more leaves, and says why; its supervisor starts another."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING, Any

import pytest
from processes import Fleet, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])

PATIENCE = {"PGFLOW_CLAIM_TIMEOUT_SECONDS": "2"}


@pytest.fixture
def fleet(migrated_url: str, tmp_path: Path, backend: str) -> Iterator[Fleet]:
    """Workers on the test's database."""
    fleet = Fleet(migrated_url, tmp_path, backend)
    yield fleet
    fleet.close()


def test_a_worker_that_cannot_claim_for_the_set_time_leaves_with_exit_code_3(fleet: Fleet, db: Any) -> None:
    worker = fleet.start(**PATIENCE)
    until(lambda: "takes" in fleet.said())
    db.execute("begin; lock table pgflow.ready in access exclusive mode")
    assert worker.wait(60) == 3, fleet.said()
    assert re.search(r"^error: could not claim jobs for \d+ s", fleet.said(), re.MULTILINE), fleet.said()


def test_a_supervisor_starts_a_worker_again_that_left_for_want_of_the_database(fleet: Fleet, db: Any) -> None:
    supervisor = fleet.start("--processes", "2", **PATIENCE)
    until(lambda: fleet.said().count("takes") >= 2, 60)
    db.execute("begin; lock table pgflow.ready in access exclusive mode")
    until(lambda: fleet.said().count("ended with exit code 3; starting it again") >= 2, 60)
    db.execute("rollback")
    until(lambda: fleet.said().count("takes") >= 4, 60)
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(20) == 0, fleet.said()
