"""Guardrails: what they refuse, and what they say about it."""

from __future__ import annotations

import logging
from typing import Any

import psycopg
import pytest

from pgflow import JobRejected, SettingsError, TaskDefinitionError

Db = psycopg.Connection[Any]


def stored(db: Db) -> int:
    """How many jobs there are."""
    row = db.execute("select count(*) from pgflow.jobs").fetchone()
    return int(row[0]) if row else 0


# size


def test_a_payload_over_the_limit_is_refused_and_one_of_just_the_limit_is_not(make_guarded: Any, db: Db) -> None:
    app = make_guarded(max_payload_bytes=100)
    app.enqueue("t", ["x" * 96])
    with pytest.raises(JobRejected, match=r"101 bytes.*PGFLOW_MAX_PAYLOAD_BYTES of 100") as refused:
        app.enqueue("t", ["x" * 97])
    assert (refused.value.reason_code, refused.value.details) == ("PAYLOAD_TOO_LARGE", {"bytes": 101, "limit": 100})
    assert stored(db) == 1


def test_a_task_s_own_limit_takes_the_setting_s_place(make_guarded: Any) -> None:
    app = make_guarded(max_payload_bytes=100)

    @app.task(max_payload_bytes=20)
    def small(text: str) -> None: ...

    @app.task(max_payload_bytes=1000)
    def large(text: str) -> None: ...

    large.enqueue("x" * 900)
    with pytest.raises(JobRejected, match=r"small has 24 bytes .* over its max_payload_bytes of 20"):
        small.enqueue("x" * 20)


@pytest.mark.parametrize("given", [0, -1, "5", True, 65_000_000])
def test_a_limit_that_is_none_is_refused_where_it_is_declared(make_guarded: Any, given: object) -> None:
    with pytest.raises(TaskDefinitionError, match="max_payload_bytes"):

        @make_guarded().task(max_payload_bytes=given)
        def declared() -> None: ...


# tasks


def test_only_allowed_tasks_are_enqueued(make_guarded: Any, db: Db) -> None:
    app = make_guarded({"allowed_tasks": "mail.*, report"})
    app.enqueue("mail.send")
    app.enqueue("report")
    for name in ("reports", "Mail.send", "x.mail.send"):
        with pytest.raises(JobRejected, match="PGFLOW_GUARDRAILS_ALLOWED_TASKS") as refused:
            app.enqueue(name)
        assert refused.value.reason_code == "TASK_NOT_ALLOWED"
    assert stored(db) == 2
    kept = db.execute("select task, reason_code from pgflow.decisions order by id").fetchall()
    assert kept == [(name, "TASK_NOT_ALLOWED") for name in ("reports", "Mail.send", "x.mail.send")]


def test_a_declared_task_that_nobody_may_enqueue_is_warned_of(
    make_guarded: Any, caplog: pytest.LogCaptureFixture
) -> None:
    app = make_guarded({"allowed_tasks": ["mail.*"]})

    @app.task(name="report")
    def report() -> None: ...

    @app.task(name="mail.send")
    def send() -> None: ...

    with caplog.at_level(logging.WARNING, "pgflow"):
        app.enqueue("mail.send")
    assert [r.getMessage() for r in caplog.records] == [
        "task report is declared, and PGFLOW_GUARDRAILS_ALLOWED_TASKS lets nobody enqueue it"
    ]


# settings


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("PGFLOW_GUARDRAILS_ENQUEUE_LIMITS", "{mail: 1}", "not JSON"),
        ("PGFLOW_GUARDRAILS_ENQUEUE_LIMITS", '{"mail": -1}', "greater than or equal to 0"),
        ("PGFLOW_GUARDRAILS_ENQUEUE_LIMITS", '{"a queue": 1}', "match pattern"),
        ("PGFLOW_GUARDRAILS_ALOWED_TASKS", "x", "did you mean PGFLOW_GUARDRAILS_ALLOWED_TASKS"),
    ],
)
def test_a_setting_that_cannot_be_read_is_refused_by_name(
    make_guarded: Any, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=f"{variable}.*{said}"):
        make_guarded().enqueue("t")


def test_settings_are_read_from_the_environment(make_guarded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_GUARDRAILS_ALLOWED_TASKS", "t")
    monkeypatch.setenv("PGFLOW_GUARDRAILS_ENQUEUE_LIMITS", '{"mail": 1}')
    app = make_guarded()
    app.enqueue("t", queue="mail")
    with pytest.raises(JobRejected, match="ENQUEUE_RATE_EXCEEDED"):
        app.enqueue("t", queue="mail")
    with pytest.raises(JobRejected, match="TASK_NOT_ALLOWED"):
        app.enqueue("u")
