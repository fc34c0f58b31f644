"""What becomes of errors and of values on their way out: a status of its own for each, JSON that any program reads."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import psycopg.errors
import pytest
from probes import Asked, Thing
from pydantic import TypeAdapter, ValidationError

from pgflow import (
    ArgumentError,
    DatabaseUnavailableError,
    JobNotFoundError,
    JobRejected,
    JobStateError,
    PluginError,
    SchemaMismatchError,
    State,
)
from pgflow.admin import Answer, Endpoint, Problem
from pgflow.plugins.admin.problems import problem_of
from pgflow.plugins.admin.replies import reply_of, reply_of_problem, to_json

if TYPE_CHECKING:
    import httpx
    from probes import Probes

SECRET = "postgresql://user:secret@host/db"  # noqa: S105 - what must not be shown


def invalid() -> Exception:
    """A model that does not fit, which is a mistake of the admin's own."""
    try:
        TypeAdapter(int).validate_python("x")
    except ValidationError as error:
        return error
    raise AssertionError


ERRORS: list[tuple[Exception, int, str]] = [
    (JobNotFoundError("no job x"), 404, "JOB_NOT_FOUND"),
    (JobStateError("x", "running", "no"), 409, "JOB_STATE"),
    (ArgumentError("queue 'a b' is not a name"), 422, "INVALID_VALUE"),
    (ValueError("out of range"), 422, "INVALID_VALUE"),
    (JobRejected("PAYLOAD_TOO_LARGE", "too large"), 413, "PAYLOAD_TOO_LARGE"),
    (JobRejected("ENQUEUE_RATE_EXCEEDED", "slow down"), 429, "ENQUEUE_RATE_EXCEEDED"),
    (JobRejected("TASK_NOT_ALLOWED", "no"), 422, "TASK_NOT_ALLOWED"),
    (SchemaMismatchError("run `pgflow migrate`"), 503, "SCHEMA_MISMATCH"),
    (DatabaseUnavailableError(SECRET), 503, "DATABASE_UNAVAILABLE"),
    (PluginError(f"refused, since plugin x cannot judge: {SECRET}"), 503, "PLUGIN_FAILED"),
    (psycopg.errors.QueryCanceled(SECRET), 503, "DATABASE_SLOW"),
    (psycopg.errors.NumericValueOutOfRange(SECRET), 422, "INVALID_VALUE"),
    (psycopg.errors.InsufficientPrivilege(SECRET), 503, "DATABASE_REFUSED"),
    (Problem(418, "TEAPOT", "short and stout"), 418, "TEAPOT"),
    (RuntimeError(SECRET), 500, "INTERNAL"),
    (invalid(), 500, "INTERNAL"),
]


@pytest.mark.parametrize(("error", "status", "code"), ERRORS, ids=lambda value: getattr(value, "code", str(value))[:40])
def test_an_error_has_a_status_and_a_code_and_tells_no_secret(error: Exception, status: int, code: str) -> None:
    problem = problem_of(error)
    reply = reply_of_problem(problem)
    assert isinstance(reply.body, bytes)
    assert (reply.status, json.loads(reply.body)["code"]) == (status, code)
    assert b"secret" not in reply.body
    if status in (429, 503):
        assert int(problem.headers["retry-after"]) > 0


def test_a_rate_says_when_to_come_back() -> None:
    for said, header in ((7.2, "8"), (0, "1"), (None, "2"), ("soon", "2")):
        details = {"retry_after": said} if said is not None else None
        problem = problem_of(JobRejected("ENQUEUE_RATE_EXCEEDED", "slow down", details=details))
        assert problem.headers["retry-after"] == header


def test_a_state_that_does_not_allow_it_is_named(client: httpx.Client, probes: Probes) -> None:
    probes.raises = JobStateError("x", "running", "only what has ended can be replayed")
    answer = client.post("probe", json={})
    assert (answer.status_code, answer.json()["state"]) == (409, "running")
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_change_is_audited_done_or_refused_and_no_look_is(client: httpx.Client, probes: Probes) -> None:
    client.get("probe")
    client.post("probe", json={"size": 3})
    client.post("probe", json={"no": 3})
    probes.raises = JobNotFoundError("no job x")
    client.post("probe", json={"size": 4})
    client.post("probe/a%20b/poke")
    assert probes.audited == [
        ("local", "put_probe", "/probe", {"status": 201, "size": 3}),
        ("local", "put_probe", "/probe", {"status": 422}),
        ("local", "put_probe", "/probe", {"status": 404, "size": 4}),
        ("local", "poke", "/probe/a b/poke", {"status": 200}),
    ]


@dataclass(frozen=True, slots=True)
class Row:
    """A row with what JSON has no word for."""

    at: datetime
    day: date
    took: timedelta
    state: State
    mean: float
    more: Any


def test_values_become_json_that_any_program_reads() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 600, tzinfo=UTC)
    row = Row(at, at.date(), timedelta(seconds=1.5), State.DEAD, float("nan"), [Thing(), Decimal("1.5"), UUID(int=1)])
    assert json.loads(to_json(row)) == {
        "at": "2026-01-02T03:04:05.000600+00:00",
        "day": "2026-01-02",
        "took": 1.5,
        "state": "dead",
        "mean": None,
        "more": [{"name": "thing", "size": 1, "parts": {}}, "1.5", "00000000-0000-0000-0000-000000000001"],
    }
    assert json.loads(to_json({"a": (float("inf"), {2, 1}), "b": "\ud800 ü"})) == {"a": [None, [1, 2]], "b": "? ü"}


def test_an_endpoint_gives_json_text_bytes_or_nothing() -> None:
    def made(given: object, **more: Any) -> tuple[int, object, str]:
        endpoint = Endpoint(
            method="GET", path="/", name="x", summary="x", scope="read", answer=lambda _call: None, query=Asked, **more
        )
        reply = reply_of(endpoint, given)
        return reply.status, reply.body, reply.media_type

    assert made("text") == (200, b'"text"', "application/json")
    assert made(None) == (200, b"null", "application/json")
    assert made("text", media_type="text/plain") == (200, b"text", "text/plain")
    assert made(Answer("<p>", 201, media_type="text/html")) == (201, b"<p>", "text/html; charset=utf-8")
    assert made(Answer(b"\xff", media_type="application/octet-stream")) == (200, b"\xff", "application/octet-stream")
    assert made(Answer(None, 204)) == (204, b"", "application/json")
    assert made(Answer({"a": 1}, 202)) == (202, b'{"a": 1}', "application/json")
