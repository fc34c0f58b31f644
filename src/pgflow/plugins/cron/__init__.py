"""Schedules: jobs made by the clock, declared on tasks or kept in the database, each slot exactly once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

from pgflow import AdminExtras, HealthCheck, Migrations, hookimpl
from pgflow.plugins.cron.spec import Schedule, cron, every

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractAsyncContextManager

    import typer

__all__ = ["Cron", "Schedule", "cron", "every"]

MIGRATIONS: Final = Path(__file__).parent / "migrations"
OVERDUE_SECONDS: Final = 60.0


class Cron:
    """Fires schedules from every worker: whoever is there first takes the slot."""

    name = "cron"

    @hookimpl
    def pgflow_task_options(self) -> Mapping[str, Any]:
        """Add `schedule=`: `cron(…)`, `every(…)`, or a list of them."""
        from pydantic import PlainValidator  # noqa: PLC0415 - asked for where a task says schedule= only

        return {"schedule": Annotated[Any, PlainValidator(_checked)]}

    @hookimpl
    def pgflow_task_registered(self, task: Any) -> None:
        """Refuse a schedule whose arguments do not fit its task. Raises `TaskDefinitionError`."""
        from pgflow import ArgumentError, TaskDefinitionError  # noqa: PLC0415 - beside their one use

        for schedule in task.declared.extra.get("schedule", ()):
            try:
                task.check_call(list(schedule.args), dict(schedule.kwargs))
            except ArgumentError as error:
                msg = f"task {task.name}: schedule {schedule!r}: {error}: give args=… and kwargs=… of the schedule"
                raise TaskDefinitionError(msg) from None

    @hookimpl
    def pgflow_migrations(self) -> Migrations:
        """Bring the table of schedules."""
        return Migrations(MIGRATIONS)

    @hookimpl
    def pgflow_lifespan(self, app: Any, role: str) -> AbstractAsyncContextManager[object] | None:
        """Fire what is due while a worker works."""
        from pgflow.plugins.cron.firing import firing  # noqa: PLC0415 - --help has no need of a database driver

        return firing(app) if role == "worker" else None

    @hookimpl
    def pgflow_maintenance(self, run: Any) -> None:
        """Remove static schedules that no worker has declared for a day."""
        from pgflow.plugins.cron.static import tidy  # noqa: PLC0415 - the same

        tidy(run.db.run)

    @hookimpl
    def pgflow_admin_routes(self, app: Any) -> AdminExtras:  # noqa: ARG002 - the same for every app
        """Add the endpoints of schedules."""
        from pgflow.plugins.cron.endpoints import ENDPOINTS  # noqa: PLC0415 - the same

        return AdminExtras(endpoints=ENDPOINTS)

    @hookimpl
    def pgflow_health(self, app: Any) -> list[HealthCheck]:
        """Tell of schedules whose time has passed and that no worker fires."""
        from pgflow.plugins.cron.rows import overdue  # noqa: PLC0415 - the same

        late = app.reads.run(overdue(OVERDUE_SECONDS))
        if not late:
            return [HealthCheck("schedules", ok=True, detail="none is overdue")]
        return [_overdue(*row) for row in late]

    @hookimpl
    def pgflow_cli(self, cli: typer.Typer) -> None:
        """Add `pgflow schedules`."""
        from pgflow.plugins.cron.commands import schedules  # noqa: PLC0415 - it needs typer

        cli.add_typer(schedules, name="schedules", rich_help_panel="Look around")


def _checked(given: object) -> tuple[Schedule, ...]:
    from pydantic_core import PydanticCustomError  # noqa: PLC0415 - asked for where a task says schedule= only

    from pgflow import ArgumentError  # noqa: PLC0415 - beside its one use
    from pgflow.plugins.cron.spec import schedules_of  # noqa: PLC0415 - the same

    try:
        return schedules_of(given)
    except ArgumentError as error:
        code, text = "schedule", "{why}"
        raise PydanticCustomError(code, text, {"why": str(error)}) from None


def _overdue(name: str, task: str, seconds: float, is_known: bool) -> HealthCheck:  # noqa: FBT001 - a row
    why = f"no live worker knows task {task}" if not is_known else f"workers know task {task} and do not fire it"
    remedy = "start a worker whose app declares it, or pause or remove the schedule"
    if is_known:
        remedy = "look at the workers' logs for why, or at whether the task still declares the schedule"
    return HealthCheck("schedules", ok=False, detail=f"{name} is {seconds:.0f} s overdue: {why}", remedy=remedy)
