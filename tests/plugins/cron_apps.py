"""Apps with schedules, as the tests of cron make them: on a database with cron's own table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgflow import App, JobRejected, hookimpl
from pgflow.plugins.cron import Cron
from pgflow.plugins.cron.firing import Firing
from pgflow.plugins.cron.schedules import Schedules
from pgflow.plugins.cron.spec import Schedule, cron
from pgflow.store.migrate import migrate

if TYPE_CHECKING:
    from pgflow.plugins.cron.rows import ScheduleRow

YEARLY = cron("0 0 1 1 *", misfire_grace=3_600)


class Refusing:
    """A guardrail of the tests': refuses the jobs of a task."""

    def __init__(self, task: str) -> None:
        self._task = task

    @hookimpl
    def pgflow_before_enqueue(self, jobs: Any) -> None:
        if any(job.task == self._task for job in jobs):
            raise JobRejected("NOT_TODAY", "no such jobs today", job=jobs[0])


def make_app(url: str, *plugins: object, schedule: Any = None, **settings: Any) -> App:
    """An app with the tasks `tick` and `tock`, `tick` with a static schedule where one is given."""
    app = App(
        "tests", dsn=url, plugins=[Cron(), *plugins], dataset_bucket="none", **{"poll_interval_ms": 100, **settings}
    )

    said = {} if schedule is None else {"schedule": schedule}
    app.task(name="tick", queue="clock", max_attempts=3, keep_result=True, **said)(_tick)
    app.task(name="tock")(_tock)
    migrate(app.pool, app.migrations)
    return app


def _tick(*args: Any, **kwargs: Any) -> list[Any]:
    return [args, kwargs]


def _tock() -> None:
    return None


def put(app: App, name: str = "x", task: str = "tick", schedule: Schedule = YEARLY, **options: Any) -> ScheduleRow:
    """Store a dynamic schedule."""
    return Schedules(app).put(name, task, schedule, **options)[0]


def let_be_due(db: Any, name: str = "x", *, seconds: float = 1) -> None:
    """Put a schedule's next slot into the past."""
    db.execute(
        "update pgflow.schedules set next_at = date_trunc('second', clock_timestamp()) - %s * interval '1 s'"
        " where name = %s",
        [seconds, name],
    )


def fire(app: App) -> int:
    """Fire what is due, and give how many schedules were."""
    fires, count = Firing(app), 0
    while fires.fire():
        count += 1
    return count


def jobs_of(db: Any, name: str = "x") -> list[Any]:
    """The jobs a schedule has made, oldest first: id, headers, and seconds until its run_at from its creation."""
    return db.execute(
        "select id::text, headers, extract(epoch from run_at - created_at)::float, queue, max_attempts, args, kwargs"
        " from pgflow.jobs where headers ->> 'schedule' = %s order by id",
        [name],
    ).fetchall()


def keys(db: Any) -> list[tuple[str, str]]:
    """The slots that were taken, with the jobs they became."""
    return db.execute("select key, job_id::text from pgflow.unique_keys where scope = 'cron' order by key").fetchall()
