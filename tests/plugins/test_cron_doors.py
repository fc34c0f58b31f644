"""Schedules by HTTP and by the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cron_apps import YEARLY, put

from pgflow import Actor
from pgflow.admin import Answer, Call, Problem
from pgflow.cli import run as run_command
from pgflow.plugins.cron.endpoints import ENDPOINTS
from pgflow.plugins.cron.firing import Firing
from pgflow.plugins.cron.schedules import Schedules

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import App


@pytest.fixture
def said(app: App, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Run `pgflow schedules`, and give all that it says."""
    monkeypatch.setattr("pgflow.cli.configure", lambda _: None)  # the log goes on to pytest

    def said(*words: str, code: int = 0) -> str:
        assert run_command(["schedules", *words, "--dsn", app.db.dsn]) == code
        return "".join(capsys.readouterr())

    return said


def answer(app: App, name: str, path: dict[str, str] | None = None, query: Any = None, body: Any = None) -> Any:
    endpoint = next(e for e in ENDPOINTS if e.name == name)
    made = endpoint.body.model_validate(body) if endpoint.body and body is not None else None
    asked = endpoint.query.model_validate(query or {}) if endpoint.query else None
    return endpoint.answer(Call(app, Actor("me", frozenset({"admin"})), path or {}, asked, made, {}))


def test_endpoints_store_list_and_act(app: App) -> None:
    at = {"name": "x"}
    stored = answer(app, "put_schedule", at, body={"task": "tick", "cron": "*/5 * * * *", "kwargs": {"a": 1}})
    assert isinstance(stored, Answer)
    assert (stored.status, stored.body.kwargs) == (201, {"a": 1})
    assert answer(app, "put_schedule", at, body={"task": "tick", "seconds": 30}).status is None
    put(app, "y")
    page = answer(app, "list_schedules", query={"limit": 1})
    assert ([row.name for row in page.items], page.next_cursor) == (["x"], "x")
    assert len(page.items[0].upcoming) == 5
    rest = answer(app, "list_schedules", query={"cursor": "x"})
    assert ([row.name for row in rest.items], rest.next_cursor) == (["y"], None)
    assert json.loads(page.model_dump_json())["items"][0]["seconds"] == 30
    assert answer(app, "pause_schedule", at, body={"reason": "why"}).paused_reason == "why"
    assert answer(app, "pause_schedule", at).paused_reason is None
    assert not answer(app, "resume_schedule", at).paused
    assert app.job(answer(app, "run_schedule", at).job_id).refresh().task == "tick"
    assert answer(app, "delete_schedule", at) == {"name": "x", "removed": True}


def test_endpoints_say_what_is_wrong(make: Callable[..., App]) -> None:
    app = make(schedule=YEARLY)
    Firing(app).sync()
    for name in ("get_schedule", "delete_schedule", "pause_schedule", "resume_schedule", "run_schedule"):
        with pytest.raises(Problem) as caught:
            answer(app, name, {"name": "nothing"})
        assert (caught.value.status, caught.value.code) == (404, "SCHEDULE_NOT_FOUND")
    for name, body in (("delete_schedule", None), ("put_schedule", {"task": "tick", "seconds": 5})):
        with pytest.raises(Problem) as caught:
            answer(app, name, {"name": "task:tick"}, body=body)
        assert (caught.value.status, caught.value.code) == (409, "SCHEDULE_IS_STATIC")
    for body in ({"task": "tick"}, {"task": "tick", "cron": "@daily", "seconds": 5}):
        with pytest.raises(Problem) as caught:
            answer(app, "put_schedule", {"name": "x"}, body=body)
        assert (caught.value.status, caught.value.pointer) == (422, "/cron")
    for field, value, pointer in (
        ("cron", "x * * * *", "/cron"), ("tz", "Mars", "/tz"), ("jitter", -1, "/jitter"), ("task", "a b", "/task"),
        ("queue", "a b", "/queue"), ("args", ["\0"], "/args"), ("misfire_grace", 0, "/misfire_grace"),
    ):  # fmt: skip
        with pytest.raises(Problem) as caught:
            answer(app, "put_schedule", {"name": "x"}, body={"task": "tick", "cron": "@daily", field: value})
        assert (caught.value.status, caught.value.pointer) == (422, pointer)
    with pytest.raises(Problem) as caught:
        answer(app, "put_schedule", {"name": "x"}, body={"task": "tock", "cron": "@daily", "args": [1]})
    assert (caught.value.status, caught.value.pointer) == (422, "/args")


def test_secrets_among_the_arguments_are_masked(app: App, said: Callable[..., str]) -> None:
    body = {"task": "tick", "seconds": 9, "kwargs": {"token": "hush", "to": "a"}}
    stored = answer(app, "put_schedule", {"name": "x"}, body=body)
    assert stored.body.kwargs == {"token": "***", "to": "a"}
    assert answer(app, "list_schedules").items[0].kwargs == {"token": "***", "to": "a"}
    assert Schedules(app).get("x").kwargs == {"token": "hush", "to": "a"}
    assert '"token": "***"' in said("--json")


def test_the_command_line_does_all_of_it(app: App, said: Callable[..., str]) -> None:
    assert "no schedules yet" in said()
    assert "x is added; next: in" in said("add", "x", "tick", "--cron", "30 2 * * *", "--tz", "Europe/Paris")
    assert "x is changed" in said("add", "x", "tick", "--cron", "30 2 * * *", "--tz", "Europe/Paris", "--args", "[1]")
    lines = said("next", "x").splitlines()
    assert len(lines) == 5
    assert all("T02:30:00+0" in line for line in lines)
    assert "30 2 * * * Europe/Paris" in said()
    assert "x is paused" in said("pause", "x", "--reason", "audit")
    assert "audit" in said()
    assert "x is resumed" in said("resume", "x")
    job_id = said("run", "x").strip()
    assert app.job(job_id).refresh().args == [1]
    items = json.loads(said("list", "--json"))["items"]
    assert (items[0]["name"], items[0]["last_job_id"], len(items[0]["upcoming"])) == ("x", job_id, 5)
    assert "no schedule y" in said("run", "y", code=1)
    assert "--cron or --every" in said("add", "y", "tick", code=2)
    assert "--args is no JSON" in said("add", "y", "tick", "--every", "5", "--args", "[", code=2)
    assert "x is removed" in said("remove", "x")
