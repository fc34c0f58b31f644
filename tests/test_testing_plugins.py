"""What plugin authors test with: plugin_app and assert_hook_called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pgflow import JobRejected, hookimpl
from pgflow.testing import assert_hook_called, drain, hook_calls

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import App, NewJob


class NoNight:
    """Refuses what goes to the night queue."""

    @hookimpl
    def pgflow_before_enqueue(self, jobs: list[NewJob]) -> None:
        for job in jobs:
            if job.queue == "night":
                raise JobRejected("CLOSED", "closed at night", job=job)


def test_a_plugin_is_tested_on_an_app_of_the_tests_own(plugin_app: Callable[..., App]) -> None:
    app = plugin_app(NoNight(), max_payload_bytes=50)

    @app.task
    def greet(name: str) -> None: ...

    greet.enqueue("Ada")
    with pytest.raises(JobRejected, match="CLOSED"):
        greet.options(queue="night").enqueue("Ada")
    with pytest.raises(JobRejected, match="PAYLOAD_TOO_LARGE"):
        greet.enqueue("x" * 100)
    assert drain(app).succeeded == 1
    made = assert_hook_called(app, "pgflow_before_enqueue", plugin="nonight", times=3)
    assert made.given["enqueue"].app is app


def test_a_hook_that_was_not_called_is_an_error_that_says_what_was(plugin_app: Callable[..., App]) -> None:
    app = plugin_app(NoNight())
    app.enqueue("somewhere.else")
    assert_hook_called(app, "pgflow_before_enqueue", plugin="nonight")
    assert_hook_called(app, "pgflow_jobs_claimed", times=0)
    with pytest.raises(AssertionError, match=r"was to be called 2 times and was 1 times.*nonight"):
        assert_hook_called(app, "pgflow_before_enqueue", plugin="nonight", times=2)
    with pytest.raises(AssertionError, match="pgflow_jobs_claimed was to be called at least once"):
        assert_hook_called(app, "pgflow_jobs_claimed")
    with pytest.raises(AssertionError, match="pgflow_before_lunch is no hook"):
        assert_hook_called(app, "pgflow_before_lunch")


def test_arguments_of_a_call_can_be_asserted(plugin_app: Callable[..., App]) -> None:
    app = plugin_app(NoNight())
    _ = app.hooks
    assert_hook_called(app, "pgflow_configure", app=app)
    assert {call.plugin for call in hook_calls(app, "pgflow_configure")} >= {"guardrails"}


def test_only_watched_apps_can_be_asked(pgflow_app: Any) -> None:
    with pytest.raises(AssertionError, match="make it with the fixture plugin_app"):
        hook_calls(pgflow_app, "pgflow_configure")
