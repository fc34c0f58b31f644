"""Brake: refuses to enqueue a task that has too many dead letters, until someone has mended it."""

from __future__ import annotations

import time
from typing import Any

from pgflow import AdminExtras, JobRejected, hookimpl


class Brake:
    """Its settings are BrakeSettings."""

    name = "brake"

    def __init__(self, **settings: Any) -> None:
        self._given = settings

    @hookimpl
    def pgflow_configure(self, app: Any) -> None:
        from pgflow_brake.settings import BrakeSettings

        self._app, self._settings = app, BrakeSettings.read(**self._given)
        self._dead: dict[str, int] = {}
        self._looks_again_at = 0.0

    @hookimpl
    def pgflow_before_enqueue(self, jobs: list[Any]) -> None:
        for job in jobs:
            if job.replay_of is not None:
                continue  # it is how a dead letter is mended
            dead = self._dead_letters().get(job.task, 0)
            if dead >= self._settings.most:
                message = f"{job.task} has {dead} dead letters: mend it, then replay or discard them"
                raise JobRejected("TASK_NEEDS_MENDING", message, job=job)

    @hookimpl
    def pgflow_attempts_finished(self, attempts: Any) -> None:
        if any(attempt.kind == "dead" for attempt in attempts):
            self._looks_again_at = 0.0

    @hookimpl
    def pgflow_cli(self, cli: Any) -> None:
        from pgflow_brake.failures import failures

        cli.command(rich_help_panel="Look around")(failures)

    @hookimpl
    def pgflow_admin_routes(self) -> AdminExtras:
        from pgflow_brake.failures import LIST_FAILURES

        return AdminExtras(endpoints=(LIST_FAILURES,))

    def _dead_letters(self) -> dict[str, int]:
        from pgflow_brake.failures import dead_letters

        if time.monotonic() >= self._looks_again_at:
            self._dead = dead_letters(self._app)
            self._looks_again_at = time.monotonic() + self._settings.look_seconds
        return self._dead
