"""Schedules of an app, to be looked at and changed: what HTTP and the command line stand on, and scripts use."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from pgflow import ArgumentError, PgflowError
from pgflow.admin import check_name
from pgflow.plugins.cron import rows
from pgflow.plugins.cron.firing import enqueue
from pgflow.plugins.cron.planning import upcoming
from pgflow.plugins.cron.spec import Schedule
from pgflow.plugins.cron.static import PREFIX, asked_for
from pgflow.plugins.cron.timing import timing

if TYPE_CHECKING:
    from datetime import datetime

    from pgflow.admin import Run
    from pgflow.plugins.cron.rows import ScheduleRow

UPCOMING: Final = 5


class ScheduleNotFoundError(PgflowError, LookupError):
    """No schedule has this name."""


class StaticScheduleError(PgflowError):
    """The schedule is declared on a task, and changed or removed there."""


class Schedules:
    """The schedules in an app's database, by name: `Schedules(app).pause("nightly")`."""

    def __init__(self, app: Any) -> None:
        self._app = app

    def page(self, *, after: str | None = None, most: int = 500) -> list[ScheduleRow]:
        """List schedules in the order of their names, from the one behind `after` on, each with its next slots."""
        return [_shown(row, now) for row, now in self._app.reads.run(rows.listing(after=after, most=most))]

    def get(self, name: str, *, count: int = UPCOMING) -> ScheduleRow:
        """Give a schedule with its next `count` slots. Raises `ScheduleNotFoundError`."""
        return _shown(*_only(self._app.reads.run(rows.listing([name])), name), count)

    def put(self, name: str, task: str, schedule: Schedule, *, queue: str | None = None) -> tuple[ScheduleRow, bool]:
        """Store a dynamic schedule, in the place of one of its name; gives it, and whether it is new.

        A pause, and counts, are kept; so is the next slot, unless the schedule says otherwise when.
        Raises `ArgumentError` where a field, or the arguments for a task this app declares, cannot be, and
        `StaticScheduleError` for the name of a static one.
        """
        check_name("name", name)
        check_name("task", task)
        if queue is not None:
            check_name("queue", queue)
        if name.startswith(PREFIX):
            raise StaticScheduleError(_static(name))
        schedule.check()
        if task in self._app.tasks:
            self._app.tasks[task].check_call(list(schedule.args), dict(schedule.kwargs))
        is_new = self._app.db.together(lambda run: _store(run, name, task, schedule, queue))
        return self.get(name), is_new

    def remove(self, name: str) -> None:
        """Remove a dynamic schedule; its jobs stay. Raises `ScheduleNotFoundError`, `StaticScheduleError`."""
        if not self._app.db.run(rows.remove(name)):
            self.get(name)
            raise StaticScheduleError(_static(name))

    def pause(self, name: str, reason: str | None = None) -> ScheduleRow:
        """Stop a schedule from firing. Raises `ScheduleNotFoundError`."""
        self._app.db.run(rows.pause(name, reason))
        return self.get(name)

    def resume(self, name: str) -> ScheduleRow:
        """Let a schedule fire again, from its next slot on: those of the pause are no misses.

        Raises `ScheduleNotFoundError`.
        """
        self._app.db.together(lambda run: _resume(run, name))
        return self.get(name)

    def run(self, name: str) -> str:
        """Make a schedule's job now, paused or not; gives its id. The slots to come stay as they are.

        Raises `ScheduleNotFoundError`, and what `app.enqueue` does.
        """
        with self._app.db.transaction() as opened:
            row, _ = _only(opened.run(rows.lock([name])), name)
            job_id = enqueue(self._app, opened.conn, row, None)
            opened.run(rows.ran(name, job_id))
        return job_id


def _store(run: Run, name: str, task: str, schedule: Schedule, queue: str | None) -> bool:
    there = run(rows.lock([name]))
    before = there[0][0] if there else None
    run(rows.put("dynamic", [asked_for(name, task, schedule, before, run(rows.now()), queue=queue)]))
    return before is None


def _resume(run: Run, name: str) -> None:
    row, now = _only(run(rows.lock([name])), name)
    if row.paused:
        run(rows.resume(name, next(timing(row.cron, row.seconds, row.tz, row.anchor_at).after(now), None)))


def _shown(row: ScheduleRow, now: datetime, count: int = UPCOMING) -> ScheduleRow:
    try:
        return replace(row, upcoming=tuple(upcoming(row, now, count)))
    except ArgumentError:  # a time zone of another machine's
        return row


def _only(found: list[tuple[ScheduleRow, datetime]], name: str) -> tuple[ScheduleRow, datetime]:
    if not found:
        msg = f"there is no schedule {name}: `pgflow schedules` lists them"
        raise ScheduleNotFoundError(msg)
    return found[0]


def _static(name: str) -> str:
    return f"schedule {name} is declared on its task: change or remove it there, or pause it"
