"""Fires what is due: a slot's key, its job and the schedule's next slot are written in one transaction."""

from __future__ import annotations

import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio

from pgflow import ArgumentError, JobRejected, PluginError, SchemaMismatchError
from pgflow.admin import FAULTS
from pgflow.plugins.cron import rows, static
from pgflow.plugins.cron.planning import plan, put_off, slot_key

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from pgflow.plugins.cron.rows import ScheduleRow

logger = logging.getLogger("pgflow.cron")

LONGEST_SECONDS: Final = 5.0
"""Between looks: a schedule that another process stores, moves or resumes is heard of no later than this."""
SHORTEST_SECONDS: Final = 0.05
RETRY_SECONDS: Final = 1.0
SPARED_SECONDS: Final = 5.0
SEEN_SECONDS: Final = 600.0
FIRES_A_LOOK: Final = 50
ERROR_CHARACTERS: Final = 1_000


@asynccontextmanager
async def firing(app: Any) -> AsyncIterator[None]:
    """Bring the app's static schedules into the table, and fire what is due until the end of the block."""
    fires = Firing(app)
    await app.db.arun_call(fires.sync)
    async with anyio.create_task_group() as group:
        group.start_soon(_look_for_ever, fires, app)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


class Firing:
    """Fires the schedules an app may: those its tasks declare, and dynamic ones of tasks it knows.

    Others are left to workers that know the task, so that a job is made as its task is declared.
    """

    def __init__(self, app: Any) -> None:
        self._app = app
        self._declared = static.declared(app)
        self._spared: dict[str, float] = {}
        self._say_seen_at = time.monotonic() + SEEN_SECONDS

    def sync(self) -> None:
        """Bring the declared schedules into the table."""
        self._app.db.together(lambda run: static.sync(run, self._declared))

    def look(self) -> float:
        """Fire what is due; gives the seconds until the next look."""
        now = time.monotonic()
        self._spared = {name: until for name, until in self._spared.items() if until > now}
        if now >= self._say_seen_at:
            self._app.db.run(rows.seen(list(self._declared)))
            self._say_seen_at = now + SEEN_SECONDS
        for _ in range(FIRES_A_LOOK):
            seconds = self._app.db.run(rows.wait(*self._whose()))
            if seconds is None or seconds > 0:
                return LONGEST_SECONDS if seconds is None else min(max(seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
            if not self.fire():
                return SHORTEST_SECONDS
        return 0

    def fire(self) -> bool:
        """Fire one schedule that is due; False where there is none, or none that no other worker is at.

        One that fails is rolled back, neither key nor job stays, and left alone for some seconds, so that the others
        are fired meanwhile.
        """
        name = None
        try:
            with self._app.db.transaction() as opened:
                found = opened.run(rows.due(*self._whose()))
                if not found:
                    return False
                name = found[0][0].name
                self._fire(opened, *found[0])
        except Exception as error:
            if name is None:
                raise
            self._spared[name] = time.monotonic() + SPARED_SECONDS
            logger.warning("schedule %s could not be fired and is tried again: %s", name, error)
            self._app.hooks.report("pgflow_lifespan", "cron", error)
        return True

    def _fire(self, opened: Any, row: ScheduleRow, now: datetime) -> None:
        planned = plan(row, now)
        slots = {slot_key(row.name, slot): slot for slot in planned.fire}
        jobs: dict[str, str] = {}
        refusals: list[str] = []
        taken = opened.run(rows.take_slots(list(slots))) if slots else []
        for key in [key for key in slots if key in taken]:
            try:
                jobs[key] = enqueue(self._app, opened.conn, row, slots[key])
            except (JobRejected, PluginError, ArgumentError) as error:
                logger.warning("schedule %s: the job of %s was refused: %s", row.name, slots[key].isoformat(), error)
                refusals.append(_storable(str(error)))
        if planned.missed:
            logger.warning(
                "schedule %s: %d slots are skipped, more than %g s late", row.name, planned.missed, row.misfire_grace
            )
        counts = {"missed": planned.missed, "coalesced": planned.coalesced, "refused": len(refusals)}
        last = refusals[-1] if refusals else None
        opened.run(rows.advance(row.name, planned.next_at, jobs, **counts, error=last))

    def _whose(self) -> tuple[list[str], list[str], list[str]]:
        return list(self._declared), list(self._app.tasks), list(self._spared)


def enqueue(app: Any, conn: Any, row: ScheduleRow, slot: datetime | None) -> str:
    """Make a schedule's job in the transaction of a connection; gives its id. Without a slot it is one by hand.

    Raises `JobRejected` where a guardrail refuses, `ArgumentError` where the arguments do not fit the task.
    """
    options: dict[str, Any] = {"conn": conn, "headers": {"schedule": row.name}}
    if slot is not None:
        options["headers"]["slot"] = slot.isoformat()
        if row.jitter:
            options["run_at"] = put_off(row.name, slot, row.jitter)
    if row.queue is not None:
        options["queue"] = row.queue
    return str(app.enqueue(row.task, row.args, row.kwargs, **options).id)


async def _look_for_ever(fires: Firing, app: Any) -> None:
    told = False
    while True:
        try:
            pause, told = await app.db.arun_call(fires.look), False
        except (*FAULTS, SchemaMismatchError, OSError) as error:
            if not told:
                logger.warning("schedules: %s; trying again", error)
            pause, told = RETRY_SECONDS, True
        await anyio.sleep(pause)


def _storable(text: str) -> str:
    return text[:ERROR_CHARACTERS].replace("\0", " ").encode("utf-8", "backslashreplace").decode()
