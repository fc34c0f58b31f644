"""A newer pgflow migrates the database under load, while workers of both releases run; then the old ones leave."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from chaos.between import starts_in_time
from chaos.fleet import TESTS
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.stage import Stage

TREE = TESTS.parent
SQL = """-- Harmless: what old code names is still there.
alter table pgflow.jobs add column note_{number} text;
alter table pgflow.workers add column note_{number} text;
create index jobs_note_{number} on pgflow.jobs (note_{number}) where note_{number} is not null;
"""
STARTED = "select count(*) from pgflow.workers where started_at > to_timestamp(%(since)s)"
MIGRATE_SECONDS = 60
SUCCESSOR_SECONDS = 40.0
EXIT_CANNOT_WORK = 3
READING_SECONDS = (3.0, 8.0)
# a migration waits a second for a lock, and all wait behind it
PROMPT_SECONDS = 3.0
TOGETHER_SECONDS = (2.0, 5.0)


def strike(stage: Stage) -> None:
    """Roll out one release at least, however long that takes."""
    number, begin = 0, time.time()
    while not stage.over() or not number:
        number += 1
        release(stage, number)
        stage.pause(stage.rng.uniform(*TOGETHER_SECONDS))
    stage.log(f"{number} releases were rolled out")
    starts_in_time(stage, begin, PROMPT_SECONDS)


def release(stage: Stage, number: int) -> None:
    """Roll out a release with one more migration: migrate, let both work, replace the old workers one by one."""
    before = dict(stage.env)
    tree = newer_tree(stage, number)
    path = os.pathsep.join(map(str, [tree / "src", TESTS]))
    with reading(stage):
        said = migrate(stage, path)
    assert f"_release_{number}" in said, f"the release's migration was not applied: {said}"
    applied = stage.ask("select count(*) from pgflow.migrations")
    again = migrate(stage, path)
    assert stage.ask("select count(*) from pgflow.migrations") == applied, f"a second migrate was no no-op: {again}"
    stage.log(f"release {number} is migrated to, and the workers of the last one run")
    stage.pause(stage.rng.uniform(*TOGETHER_SECONDS))
    refuses_to_start(stage, before)
    stage.env["PYTHONPATH"] = path
    for pid in stage.fleet.outfit({"PYTHONPATH": path}):
        began = time.time()
        stage.fleet.signal(pid, signal.SIGTERM)
        # as a deploy does: the next one is stopped when this one's successor works
        wait_for_successor(stage, began)


def wait_for_successor(stage: Stage, since: float) -> None:
    end = time.monotonic() + SUCCESSOR_SECONDS
    while stage.ask(STARTED, {"since": since}) == [(0,)]:
        assert time.monotonic() < end, f"no worker has started within {SUCCESSOR_SECONDS:g} s"
        time.sleep(0.1)


def newer_tree(stage: Stage, number: int) -> Path:
    tree = stage.directory / f"release-{number}"
    source = stage.directory / f"release-{number - 1}" if number > 1 else TREE
    for name in ("src", "migrations"):
        shutil.copytree(source / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    last = max(int(path.name[:4]) for path in (tree / "migrations").glob("*.sql"))
    new = tree / "migrations" / f"{last + 1:04d}_release_{number}.sql"
    new.write_text(SQL.format(number=number), "utf-8")
    return tree


@contextmanager
def reading(stage: Stage) -> Iterator[None]:
    """Hold a transaction that has read jobs, as a report does: for a migration of that table it stands in the way."""
    with psycopg.connect(stage.direct_url) as conn:
        conn.execute("select count(*) from pgflow.jobs")
        timer = threading.Timer(stage.rng.uniform(*READING_SECONDS), conn.rollback)
        timer.start()
        try:
            yield
        finally:
            timer.join()


def migrate(stage: Stage, path: str) -> str:
    """Run `pgflow migrate` of a tree on the live database; gives what it said."""
    done = run(stage, path, "migrate")
    assert done.returncode == 0, f"pgflow migrate ended with {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def refuses_to_start(stage: Stage, env: dict[str, str]) -> None:
    """Hold that a worker of the release before does not start on the newer schema, and says why."""
    old = env.get("PYTHONPATH", os.pathsep.join(map(str, [TREE / "src", TESTS])))
    done = run(stage, old, "worker", "-A", "chaos.tasks:app")
    said = done.stdout + done.stderr
    assert (done.returncode, "newer" in said) == (EXIT_CANNOT_WORK, True), f"{done.returncode}: {said}"


def run(stage: Stage, path: str, *words: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ, **stage.env, "PGFLOW_DATABASE_URL": stage.url, "CHAOS_LEDGER": str(stage.ledger_dir),
        "PYTHONPATH": path,
    }  # fmt: skip
    command = [sys.executable, "-m", "pgflow", *words]
    return subprocess.run(
        command, env=env, cwd=stage.directory, capture_output=True, text=True, timeout=MIGRATE_SECONDS, check=False
    )


MIGRATION = Scenario(
    "migration",
    "A newer release migrates the live database while workers of both run, and takes over one worker at a time.",
    strike,
)  # fmt: skip
