"""A forked child has connections of its own, and leaves its parent's alone."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

PROGRAM = """
import os
from pgflow import App

app = App("fork")


@app.task(name="t")
def task(n: int) -> None: ...


def session() -> int:
    with app.pool.connection() as conn:
        return conn.info.backend_pid


task.enqueue(1)
of_parent = session()
child = os.fork()
if child == 0:
    assert session() != of_parent, "the child speaks on its parent's connection"
    task.enqueue(2)
    raise SystemExit
assert os.waitpid(child, 0)[1] == 0
assert session() == of_parent, "the child has closed its parent's connection"
assert task.enqueue(3).refresh().state == "queued"
app.close()
"""


def test_parent_and_child_enqueue_side_by_side(migrated_url: str, db: Any) -> None:
    environment = {**os.environ, "PGFLOW_DATABASE_URL": migrated_url}
    command = [sys.executable, "-W", "error", "-W", "ignore::DeprecationWarning", "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert db.execute("select count(*), count(distinct id) from pgflow.jobs").fetchone() == (3, 3)
