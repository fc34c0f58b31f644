"""Schedules declared on tasks: their names, and their way into the table when a worker starts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pgflow import TaskDefinitionError
from pgflow.admin import encode_value
from pgflow.plugins.cron import rows
from pgflow.plugins.cron.rows import Asked
from pgflow.plugins.cron.timing import timing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from pgflow.admin import Run
    from pgflow.plugins.cron.rows import ScheduleRow
    from pgflow.plugins.cron.spec import Schedule

PREFIX: Final = "task:"
RETIRED_SECONDS: Final = 86_400.0


def declared(app: Any) -> dict[str, tuple[Any, Schedule]]:
    """Give an app's static schedules: task and schedule by name, which is `task:` and the task's name or their own.

    Raises `TaskDefinitionError` where two have one name.
    """
    found: dict[str, tuple[Any, Schedule]] = {}
    for task in app.tasks.values():
        for nth, schedule in enumerate(task.declared.extra.get("schedule", ()), 1):
            name = f"{PREFIX}{schedule.name or (task.name if nth == 1 else f'{task.name}:{nth}')}"
            if name in found:
                msg = (
                    f"tasks {found[name][0].name} and {task.name} both have a schedule {name}: give one another name=…"
                )
                raise TaskDefinitionError(msg)
            found[name] = (task, schedule)
    return found


def sync(run: Run, wanted: Mapping[str, tuple[Any, Schedule]]) -> None:
    """Bring an app's static schedules into the table; one that says the same as before is not written."""
    if not wanted:
        return
    now, there = run(rows.now()), {row.name: row for row, _ in run(rows.lock(sorted(wanted)))}
    # with the queue, so that a process that does not know the task runs it by hand where its workers are
    asked = [
        asked_for(name, task.name, said, there.get(name), now, queue=task.declared.queue)
        for name, (task, said) in wanted.items()
    ]
    changed = [each for each in asked if each.name not in there or each != as_asked(there[each.name])]
    if changed:
        run(rows.put("static", changed))
    run(rows.seen(list(wanted)))


def asked_for(
    name: str, task: str, said: Schedule, before: ScheduleRow | None, now: datetime, *, queue: str | None = None
) -> Asked:
    """Return a schedule to be stored, with its anchor and next slot: those it had, unless it says otherwise when."""
    anchor, next_at = now.replace(microsecond=0), None
    if before is not None and (before.cron, before.seconds, before.tz) == (said.expression, said.seconds, said.tz):
        anchor, next_at = before.anchor_at, before.next_at
    else:
        next_at = next(timing(said.expression, said.seconds, said.tz, anchor).after(now), None)
    return Asked(
        name=name, task=task, queue=queue, args=_plain(list(said.args)), kwargs=_plain(dict(said.kwargs)),
        cron=said.expression, seconds=said.seconds, tz=said.tz, jitter=said.jitter,
        misfire_grace=said.misfire_grace, coalesces=said.coalesce, anchor_at=anchor.isoformat(),
        next_at=next_at.isoformat() if next_at else None,
    )  # fmt: skip


def as_asked(row: ScheduleRow) -> Asked:
    """Return what would store a schedule as it stands."""
    return Asked(
        name=row.name, task=row.task, queue=row.queue, args=row.args, kwargs=row.kwargs, cron=row.cron,
        seconds=row.seconds, tz=row.tz, jitter=row.jitter, misfire_grace=row.misfire_grace, coalesces=row.coalesce,
        anchor_at=row.anchor_at.isoformat(), next_at=row.next_at.isoformat() if row.next_at else None,
    )  # fmt: skip


def tidy(run: Run) -> list[str]:
    """Remove static schedules that no worker has declared for a day; gives their names."""
    gone: list[str] = run(rows.retire(RETIRED_SECONDS))
    return gone


def _plain(value: Any) -> Any:
    # as it comes back from the table
    return json.loads(encode_value(value, "args"))
