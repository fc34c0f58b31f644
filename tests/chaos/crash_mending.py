"""What makes a database whole behind a fault: a healthy worker, and an operator who lets queues be claimed again."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import anyio
import psycopg

from chaos.crash_scene import GHOST, Scene, kept
from pgflow.store import settle

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pgflow import App


def mend(url: str, ledger: Path, *, lapse: bool, timeout: float = 60) -> None:
    """Do what a healthy worker and an operator do behind a fault, until every job has ended.

    `lapse` says that whoever held leases is dead: they lapse at once, instead of in their time. A ghost always is.
    """
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(
            "update pgflow.leases set expires_at = clock_timestamp() - interval '1 s' where %s or worker_id = %s",
            [lapse, GHOST],
        )
        db.execute("update pgflow.queues set paused = false, paused_reason = null where paused")
        queues = [name for (name,) in db.execute("select distinct queue from pgflow.jobs")]
    if not queues:
        return
    # leases long enough for a healthy worker on a busy machine
    scene = Scene(url, ledger, lease_seconds=5)
    with closing(scene):
        for name in ("unknown", "tick"):
            scene.app.task(name=name, bind=True)(kept(scene.ledger, lambda: None))
        anyio.run(_settle, scene.app, queues, timeout)


async def _settle(app: App, queues: Sequence[str], seconds: float) -> None:
    worker = app.worker(queues=queues)
    left: list[Any] = []
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        with anyio.move_on_after(seconds):
            while left := await app.pool.arun(settle.unsettled(queues, later=True)):
                await app.pool.arun(settle.hurry(queues, retries=True, later=True))
                await anyio.sleep(0.02)
        worker.stop()
    if left:
        msg = "not ended: " + "; ".join(map(str, left))
        raise AssertionError(msg)
