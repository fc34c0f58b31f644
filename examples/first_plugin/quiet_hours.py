"""Refuses jobs of one queue at night, and counts failed runs by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from pgflow import AdminExtras, JobRejected, NewJob, Outcome, PluginSettings, hookimpl


class QuietSettings(PluginSettings, prefix="PGFLOW_QUIET_"):
    queue: str = Field("calls", description="the queue that is quiet at night")
    first_hour: int = Field(21, ge=0, le=23, description="the hour at which the night begins")
    last_hour: int = Field(7, ge=0, le=24, description="the hour at which it is over")

    def covers(self, hour: int) -> bool:
        if self.first_hour <= self.last_hour:
            return self.first_hour <= hour < self.last_hour
        return hour >= self.first_hour or hour < self.last_hour


class Quiet:
    def __init__(self, **settings: Any) -> None:
        self._given = settings
        self.failures: Counter[str] = Counter()

    @hookimpl
    def pgflow_configure(self) -> None:
        self.settings = QuietSettings.read(**self._given)

    @hookimpl
    def pgflow_before_enqueue(self, jobs: list[NewJob]) -> None:
        for job in jobs:
            if job.queue == self.settings.queue and self.is_night():
                hours = f"{self.settings.first_hour}:00 to {self.settings.last_hour}:00"
                raise JobRejected("QUIET_HOURS", f"{job.queue} is quiet from {hours}", job=job)

    @hookimpl
    def pgflow_attempts_finished(self, attempts: Sequence[Outcome]) -> None:
        self.failures.update(attempt.job.task for attempt in attempts if attempt.kind in ("failed", "dead"))

    @hookimpl
    def pgflow_cli(self, cli: Any) -> None:
        @cli.command()
        def quiet() -> None:
            """Say whether it is quiet now."""
            self.pgflow_configure()  # no app starts here, which would do it
            print("it is night" if self.is_night() else "it is day")

    @hookimpl
    def pgflow_admin_routes(self) -> AdminExtras:
        from pgflow.admin import Endpoint

        shown = Endpoint(
            method="GET",
            path="/quiet",
            name="show_quiet",
            summary="Say whether it is night, and which tasks failed in this process",
            scope="read",
            answer=lambda call: {"night": self.is_night(), "failures": dict(self.failures)},
            response=dict[str, object],
        )
        return AdminExtras(endpoints=(shown,))

    def is_night(self) -> bool:
        return self.settings.covers(datetime.now().hour)
