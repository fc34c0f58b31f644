"""Queues, workers, decisions and health over HTTP."""

from __future__ import annotations

import json
import re
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from test_api_jobs import problem

import moves
from pgflow import HealthCheck, hookimpl
from pgflow.plugins.admin import api
from pgflow.plugins.admin.api import endpoints
from pgflow.store.admin import act

if TYPE_CHECKING:
    from pgflow import App

ROOT = Path(__file__).parents[2]


def test_queues_are_listed_limited_paused_and_resumed(app: App, client: httpx.Client) -> None:
    moves.put(app.pool, 2, queue="mail")
    limits = {"max_in_flight": 5, "max_attempts_per_minute": 60, "throttle_delay_ms": 0}
    assert client.patch("/queues/mail", json=limits).json() == {"queue": "mail", **limits}
    assert client.patch("/queues/mail", json={"max_in_flight": None}).json()["max_in_flight"] is None
    assert client.post("/queues/mail/pause", json={"reason": "password=x"}).json()["changed"] is True
    again = client.post("/queues/mail/pause").json()
    assert again == {"queue": "mail", "paused": True, "changed": False, "reason": None}
    assert client.post("/queues/mail/pause", json={"reason": "password=x"}).status_code == 200
    [row] = client.get("/queues").json()["items"]
    assert (row["name"], row["depth"], row["paused"], row["paused_reason"]) == ("mail", 2, True, "password=***")
    assert (row["max_in_flight"], row["max_attempts_per_minute"], row["throttle_delay_ms"]) == (None, 60, 0)
    assert row["oldest_wait_seconds"] >= 0
    assert client.get("/queues/mail").json() == row
    assert client.post("/queues/mail/resume").json() == {
        "queue": "mail", "paused": False, "changed": True, "reason": None,
    }  # fmt: skip
    assert client.post("/queues/mail/resume").json()["changed"] is False


def test_a_queue_nobody_has_heard_of_is_404_and_one_of_the_apps_own_is_not(client: httpx.Client) -> None:
    assert client.get("/queues/default").json()["depth"] == 0
    for name in ("nowhere", "a%20b", "%E2%82%AC", "x" * 129):
        assert problem(client.get(f"/queues/{name}"))[:2] == (404, "QUEUE_NOT_FOUND")
    assert problem(client.post("/queues/a%20b/pause"))[:2] == (404, "QUEUE_NOT_FOUND")


def test_limits_that_do_not_fit_are_refused(client: httpx.Client) -> None:
    refused: list[tuple[Any, str, str]] = [
        ({}, "NOTHING_TO_CHANGE", ""),
        ({"max_in_flight": 0}, "INVALID_VALUE", "/max_in_flight"),
        ({"max_in_flight": True}, "INVALID_VALUE", "/max_in_flight"),
        ({"throttle_delay_ms": -1}, "INVALID_VALUE", "/throttle_delay_ms"),
        ({"max_attempts_per_minute": 2**31}, "INVALID_VALUE", "/max_attempts_per_minute"),
        ({"paused": True}, "UNKNOWN_FIELD", "/paused"),
    ]
    for body, code, pointer in refused:
        assert problem(client.patch("/queues/mail", json=body)) == (422, code, pointer)


def test_workers_are_shown_as_their_heartbeats_said(client: httpx.Client, db: Any) -> None:
    db.execute("""insert into pgflow.workers values ('w1', now(), now() - interval '5 s', null, 1, 5, 2, false, 'h',
      '1', 'trio', '{q}', '{t}', '[{"job_id": "x", "seconds": 12}]')""")
    [row] = client.get("/workers").json()["items"]
    assert (row["id"], row["queues"], row["slots"], row["running"], row["alive"]) == ("w1", ["q"], 5, 2, True)
    assert 5 <= row["beat_age_seconds"] < 30
    assert row["long_running"][0]["seconds"] == 12


def test_decisions_are_paged_by_kind(app: App, client: httpx.Client) -> None:
    for n in range(5):
        app.pool.run(act.decide("ingest", "mail" if n else "other", "rejected", "R", details={"token": "x", "n": n}))
    app.pool.run(act.decide("policy", "mail", "held", "QUEUE_PAUSED"))
    first = client.get("/ingest/decisions?queue=mail&limit=3").json()
    assert [one["details"] for one in first["items"]] == [{"token": "***", "n": n} for n in (4, 3, 2)]
    rest = client.get(f"/ingest/decisions?queue=mail&limit=3&cursor={first['next_cursor']}").json()
    assert [one["details"]["n"] for one in rest["items"]] == [1]
    assert rest["next_cursor"] is None
    assert isinstance(first["items"][0]["id"], str)
    assert [one["reason_code"] for one in client.get("/policy/decisions").json()["items"]] == ["QUEUE_PAUSED"]
    assert client.get("/ingest/decisions?reason_code=other").json()["items"] == []
    crossed = f"/policy/decisions?queue=mail&cursor={first['next_cursor']}"
    assert problem(client.get(crossed)) == (400, "BAD_CURSOR", "?cursor")
    both = client.get("/decisions?queue=mail&limit=2").json()
    assert [one["kind"] for one in both["items"]] == ["policy", "ingest"]
    assert len(client.get(f"/decisions?queue=mail&cursor={both['next_cursor']}").json()["items"]) == 3
    assert [one["kind"] for one in client.get("/decisions?kind=policy").json()["items"]] == ["policy"]
    for crossed in (f"/decisions?queue=mail&kind=policy&cursor={both['next_cursor']}", "/decisions?cursor=x"):
        assert problem(client.get(crossed)) == (400, "BAD_CURSOR", "?cursor")


def test_decisions_are_counted_over_time_by_kind_and_reason(app: App, client: httpx.Client, db: Any) -> None:
    for n in range(3):
        app.pool.run(act.decide("ingest", "mail" if n else "other", "rejected", "R"))
    app.pool.run(act.decide("policy", "mail", "held", "QUEUE_PAUSED"))
    app.pool.run(act.decide("policy", "mail", "held", "OLD"))
    db.execute("update pgflow.decisions set count = 40 where reason_code = 'QUEUE_PAUSED'")
    db.execute("update pgflow.decisions set created_at = now() - interval '2 h' where reason_code = 'OLD'")
    told = client.get("/decisions/stats?window=1h").json()
    assert (told["window_seconds"], told["step_seconds"], len(told["items"]), told["since"]) == (3600, 60, 61, None)
    assert (told["total"]["ingest"], told["total"]["policy"]) == (3, 40)
    assert sum(point["policy"] for point in told["items"][-2:]) == 40
    assert told["reasons"][0] == {"kind": "policy", "reason_code": "QUEUE_PAUSED", "count": 40}
    assert client.get("/decisions/stats?window=24h").json()["total"]["policy"] == 41
    assert client.get("/decisions/stats?queue=mail&reason_code=R").json()["total"]["ingest"] == 2
    assert client.get("/decisions/stats?queue=nowhere").json()["reasons"] == []
    assert problem(client.get("/decisions/stats?window=2h")) == (422, "INVALID_VALUE", "?window")


class Opinion:
    """A plugin with a view of its own of how things are."""

    name = "opinion"

    def __init__(self, *checks: HealthCheck) -> None:
        self.checks = checks

    @hookimpl
    def pgflow_health(self) -> tuple[HealthCheck, ...]:
        return self.checks


def test_health_is_ok_and_says_what_a_plugin_warns_of(app: App, client: httpx.Client) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/health/live").json() == {"status": "ok"}


def test_health_is_503_where_a_plugin_blocks(app: App, serve: Any) -> None:
    slow, full = HealthCheck("slow", ok=False), HealthCheck("full", ok=False, blocks=True)
    app.use(Opinion(HealthCheck("fine", ok=True), slow, full))
    with httpx.Client(base_url=serve(app).url) as client:
        answer = client.get("/health")
        assert (answer.status_code, answer.json()) == (503, {"status": "down", "down": ["full"], "warnings": ["slow"]})
        assert "retry-after" in answer.headers


def test_health_is_503_where_the_database_has_no_tables_and_the_process_still_lives(
    app: App, client: httpx.Client, db: Any
) -> None:
    client.get("/jobs")
    db.execute("alter schema pgflow rename to away")
    answer = client.get("/health")
    assert (answer.status_code, answer.json()) == (503, {"status": "down", "down": ["database"]})
    assert client.get("/health/live").status_code == 200
    assert problem(client.get("/jobs"))[0] == 503


def test_events_tell_of_queues_and_workers(app: App, client: httpx.Client) -> None:
    moves.put(app.pool, 2, queue="mail")
    with client.stream("GET", "/events") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        told = next(line for line in lines if line.startswith("data:"))
    glance = json.loads(told.removeprefix("data:"))
    assert glance["counts"]["queued"] == 2
    assert [(one["name"], one["depth"]) for one in glance["queues"]] == [("mail", 2)]
    assert glance["workers"] == 0


def test_what_is_cached_is_read_once_a_second_by_one_thread() -> None:
    from concurrent.futures import ThreadPoolExecutor

    from pgflow.plugins.admin.api import lists

    class Place:
        """Something that can be referred to weakly."""

    reads: list[object] = []
    cached = lists.Cached(lambda app: reads.append(app) or len(reads))
    here, there = Place(), Place()
    with ThreadPoolExecutor(8) as threads:
        assert set(threads.map(lambda _: cached.of(here), range(50))) == {1}
    assert cached.of(there) == 2
    cached._kept[here] = (float("-inf"), 1)
    assert cached.of(here) == 3


def test_every_endpoint_and_every_code_of_the_api_is_in_its_reference() -> None:
    page = (ROOT / "docs" / "reference" / "http.md").read_text("utf-8")
    assert [one.name for one in endpoints() if f"### {one.method} {one.path}\n" not in page] == []
    sources = "".join(path.read_text("utf-8") for path in Path(api.__file__).parent.glob("*.py"))
    codes = re.findall(r'Problem\(\s*\d+, "(\w+)"', sources)
    assert len(codes) > 10
    assert [code for code in codes if f"`{code}`" not in page] == []


def test_health_does_not_wait_for_a_database_that_says_nothing(make_app: Any, serve: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        app = make_app()
        app.configure(database_url=f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d")
        with httpx.Client(base_url=serve(app).url) as client:
            began = time.monotonic()
            assert client.get("/health").json() == {"status": "down", "down": ["database"]}
            assert client.get("/health/live").json() == {"status": "ok"}
            assert time.monotonic() - began < 5
