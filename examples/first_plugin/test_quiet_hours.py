"""Tests of the hours, and of the hooks on a real database: `plugin_app` comes with pgflow."""

import pytest
from quiet_hours import Quiet, QuietSettings

from pgflow import JobRejected
from pgflow.testing import assert_hook_called, drain


def test_a_night_reaches_over_midnight():
    night = QuietSettings.read(first_hour=21, last_hour=7)
    assert [hour for hour in range(24) if night.covers(hour)] == [0, 1, 2, 3, 4, 5, 6, 21, 22, 23]


def test_at_night_nobody_is_called(plugin_app, monkeypatch):
    monkeypatch.setattr(Quiet, "is_night", lambda self: True)
    app = plugin_app(Quiet())
    with pytest.raises(JobRejected, match="QUIET_HOURS"):
        app.enqueue("phone.ring", queue="calls")
    app.enqueue("phone.charge", queue="other")
    assert_hook_called(app, "pgflow_before_enqueue", plugin="quiet", times=2)


def test_failed_runs_are_counted(plugin_app):
    quiet = Quiet()
    app = plugin_app(quiet)

    @app.task(max_attempts=2)
    def ring():
        raise ConnectionError("nobody answers")

    ring.enqueue()
    drain(app)
    assert quiet.failures == {ring.name: 2}
