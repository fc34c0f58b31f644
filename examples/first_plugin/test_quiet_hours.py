"""Tests on a real database of each test's own: `plugin_app` comes with pgflow."""

import pytest
from quiet_hours import Quiet

from pgflow import JobRejected
from pgflow.testing import assert_hook_called, drain


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
