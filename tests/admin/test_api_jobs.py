"""Jobs over HTTP: stored, listed, shown, explained, and what the older scripts expect of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import moves
from pgflow.model import OutcomeKind

if TYPE_CHECKING:
    import httpx
    import pytest

    from pgflow import App

ABSENT = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"
SECRET = "hunter2-c0rrect-h0rse"  # noqa: S105 - a made one


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["job_id"] for item in answer.json()["items"]]


def problem(answer: httpx.Response) -> tuple[int, str, str | None]:
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    return answer.status_code, told["code"], told.get("pointer")


def die(app: App, *, message: str = "no", **fields: Any) -> str:
    """Store a job and see it give up."""
    job_id = moves.put(app.pool, 1, **fields)[0]
    job = moves.claim(app.pool, queue=fields.get("queue", "default"))[0]
    outcome = moves.ended(
        job, OutcomeKind.DEAD, spent=1, error_code="UNKNOWN", error_message=message, reason_code="NON_RETRYABLE"
    )
    assert moves.finish(app.pool, [outcome]) == set()
    return job_id


def test_an_older_script_stores_a_job_and_reads_it_back(client: httpx.Client) -> None:
    body = {"queue": "mail", "job_type": "send", "payload_json": {"to": "a"}, "priority": 3, "max_attempts": 5}
    made = client.post("/jobs", json=body)
    assert made.status_code == 201
    assert list(made.json()) == ["job_id"]
    job_id = made.json()["job_id"]
    listed = client.get("/jobs?limit=5").json()
    assert listed["next_cursor"] is None
    assert [(one["id"], one["status"], one["job_type"]) for one in listed["items"]] == [(job_id, "queued", "send")]
    shown = client.get(f"/jobs/{job_id}").json()
    assert (shown["payload_json"], shown["priority"], shown["max_attempts"]) == ({"to": "a"}, 3, 5)
    told = client.get(f"/jobs/{job_id}/timeline").json()
    assert {"job_id", "status", "queue", "job_type", "run_at", "next_run_at", "last_worker_id", "last_error"} < set(
        told
    )
    assert [event["event"] for event in told["events"]] == ["enqueued"]
    assert told["attempts"] == []


def test_what_is_left_out_comes_from_the_task_or_is_the_default(app: App, client: httpx.Client) -> None:
    @app.task(name="known", queue="mail", max_attempts=3, priority=2, timeout=9, keep_result=True)
    def known(n: int) -> None: ...

    made = client.post("/jobs", json={"job_type": "known", "payload_json": [1]}).json()["job_id"]
    shown = client.get(f"/jobs/{made}").json()
    assert (shown["queue"], shown["max_attempts"], shown["priority"], shown["timeout"]) == ("mail", 3, 2, 9.0)
    assert (shown["args"], shown["kwargs"], shown["payload_json"], shown["keep_result"]) == ([1], {}, [1], True)
    made = client.post("/jobs", json={"job_type": "unknown"}).json()["job_id"]
    shown = client.get(f"/jobs/{made}").json()
    assert (shown["queue"], shown["max_attempts"], shown["priority"]) == ("default", 25, 0)
    assert (shown["args"], shown["kwargs"], shown["payload_json"]) == ([], {}, {})


def test_arguments_that_do_not_fit_a_known_task_are_refused_with_the_path(app: App, client: httpx.Client) -> None:
    @app.task(name="known")
    def known(day: datetime) -> None: ...

    answer = client.post("/jobs", json={"job_type": "known", "payload_json": {"n": 1}})
    assert problem(answer) == (422, "BAD_ARGUMENTS", "/payload_json")
    answer = client.post("/jobs", json={"job_type": "known", "payload_json": {"day": "yesterday"}})
    assert problem(answer) == (422, "BAD_ARGUMENTS", "/payload_json")
    assert "day" in answer.json()["detail"]
    assert ids(client.get("/jobs")) == []


def test_a_value_that_does_not_fit_is_refused_by_name(client: httpx.Client) -> None:
    refused: list[tuple[str, Any]] = [
        ("queue", "a b"), ("queue", "a\n"), ("queue", ""), ("queue", 3), ("queue", "x" * 129), ("priority", True),
        ("priority", 2**31), ("priority", "1"), ("priority", 1.5), ("max_attempts", 0), ("max_attempts", 2**31),
        ("run_at", "2026-01-01T00:00:00"), ("run_at", "9999-12-31T23:59:59-14:00"), ("run_at", "1999-12-31T23:59:59Z"),
        ("run_at", 1_800_000_000), ("run_at", "1800000000"), ("run_at", "2026-13-01T00:00:00Z"),
        ("run_at", "0001-01-01T00:00:00+14:00"),
        ("expires_at", "soon"), ("payload_json", "x"), ("payload_json", 1), ("headers", []), ("unique_key", ""),
        ("unique_key", "x" * 256), ("dataset", "../x"), ("surprise", 1),
    ]  # fmt: skip
    for field, value in refused:
        status, _, pointer = problem(client.post("/jobs", json={"job_type": "t", field: value}))
        assert (status, str(pointer).split("/")[1]) == (422, field), value


def test_one_idempotency_key_makes_one_job(client: httpx.Client) -> None:
    key = {"idempotency-key": "order-17"}
    body = {"job_type": "t", "payload_json": {"a": 1, "b": 2}}
    first = client.post("/jobs", json=body, headers=key)
    again = client.post("/jobs", json={"payload_json": {"b": 2, "a": 1}, "job_type": "t"}, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (201, 201, first.json())
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = client.post("/jobs", json={"job_type": "t", "payload_json": {"a": 2}}, headers=key)
    assert problem(other)[:2] == (422, "IDEMPOTENCY_MISMATCH")
    assert problem(client.post("/jobs", json=body, headers={"idempotency-key": "a b"}))[:2] == (
        422,
        "BAD_IDEMPOTENCY_KEY",
    )
    assert ids(client.get("/jobs")) == [first.json()["job_id"]]


def test_a_unique_key_that_is_taken_answers_with_its_job(client: httpx.Client) -> None:
    body = {"job_type": "t", "unique_key": "order-17"}
    first, again = client.post("/jobs", json=body), client.post("/jobs", json=body)
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())


def test_a_dataset_is_taken_only_where_it_is_true(client: httpx.Client) -> None:
    assert client.post("/jobs", json={"job_type": "t", "dataset": "default"}).status_code == 201
    answer = client.post("/jobs", json={"job_type": "t", "dataset": "20200101"})
    assert problem(answer) == (422, "OTHER_DATASET", "/dataset")
    assert answer.json()["dataset"] == "default"


def test_a_payload_over_the_limit_is_413_and_a_decision(make_app: Any, serve: Any) -> None:
    import httpx

    server = serve(make_app(max_payload_bytes=100))
    with httpx.Client(base_url=server.url) as client:
        answer = client.post("/jobs", json={"job_type": "t", "payload_json": {"a": "x" * 200}})
        assert problem(answer)[:2] == (413, "PAYLOAD_TOO_LARGE")
        kept = client.get("/ingest/decisions").json()["items"]
        assert [(one["reason_code"], one["job_type"], one["count"]) for one in kept] == [("PAYLOAD_TOO_LARGE", "t", 1)]
        assert client.get("/policy/decisions").json() == {"items": [], "next_cursor": None, "scanned_to": None}


def test_each_filter_narrows_the_list(app: App, client: httpx.Client) -> None:
    dead = die(app, message="no such Table 7", task="other")
    mail = moves.put(app.pool, 1, queue="mail", kwargs='{"order":{"id":17}}', headers={"tags": ["a", "b"]})[0]
    plain = moves.put(app.pool, 1, args="[true]", headers={"tag": "a"})[0]
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    for query, found in {
        "queue=mail": [mail], "state=dead": [dead], "status=dlq": [dead], "state=dead&status=dlq": [dead],
        "status=dead": [dead], "job_type=other": [dead], "worker=w1": [dead], "error_code=UNKNOWN": [dead],
        "q=TABLE": [dead], "tag=a": [plain, mail], "tag=b": [mail], "tag=c": [], "arg.order.id=17": [mail],
        "arg.0=true": [plain], "arg.order.id=18": [], "dataset=default": [plain, mail, dead], "dataset=20200101": [],
        "state=running": [], "state=queued&queue=mail": [mail],
    }.items():  # fmt: skip
        assert ids(client.get(f"/jobs?{query}")) == found, query
    assert ids(client.get("/jobs", params={"created_after": later})) == []
    assert ids(client.get("/jobs", params={"created_before": later})) == [plain, mail, dead]


def test_a_parameter_that_does_not_fit_is_refused_by_name(client: httpx.Client) -> None:
    for query, pointer in (
        ("limit=0", "?limit"), ("limit=501", "?limit"), ("limit=x", "?limit"), ("offset=3", "?offset"),
        ("state=dlq", "?state"), ("status=gone", "?status"), ("queue=a%0A", "?queue"), ("dataset=x", "?dataset"),
        ("created_after=2026-01-01", "?created_after"), ("created_before=3000-01-01T00:00:00Z", "?created_before"),
        ("state=queued&status=dlq", "?status"), ("q=", "?q"), ("arg.=1", "?arg."), ("queue=a&queue=b", "?queue"),
    ):  # fmt: skip
        status, _, told = problem(client.get(f"/jobs?{query}"))
        assert (status, told) == (422, pointer)


def test_pages_join_up_and_a_cursor_is_bound_to_its_filters(app: App, client: httpx.Client) -> None:
    made = moves.put(app.pool, 25)
    seen, query = [], "/jobs?limit=10&state=queued"
    answer = client.get(query)
    seen += ids(answer)
    cursor = first = answer.json()["next_cursor"]
    while cursor:
        answer = client.get(f"{query.replace('state=', 'status=')}&cursor={cursor}")
        seen += ids(answer)
        cursor = answer.json()["next_cursor"]
    assert seen == made[::-1]
    for wrong in (f"/jobs?limit=10&cursor={first}", f"{query}&cursor={first[:-2]}", f"/dlq?cursor={first}"):
        assert problem(client.get(wrong)) == (400, "BAD_CURSOR", "?cursor")


def test_a_search_that_stops_at_its_bound_says_where_to_go_on(
    app: App, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgflow.store.admin import look

    monkeypatch.setattr(look, "LOOKED_AT_ROWS", 10)
    last = die(app, message="needle")
    moves.put(app.pool, 30)
    told = client.get("/jobs?q=needle&limit=2").json()
    assert told["items"] == []
    assert told["scanned_to"] == told["next_cursor"] is not None
    found: list[str] = []
    while told["next_cursor"]:
        told = client.get(f"/jobs?q=needle&limit=2&cursor={told['next_cursor']}").json()
        found += [item["job_id"] for item in told["items"]]
    assert found == [last]


def test_a_job_that_is_not_there_is_404(client: httpx.Client) -> None:
    for job_id in (ABSENT, "x", "019ab6d5", "%E2%82%AC"):
        for way in ("", "/timeline", "/explain", "/lineage"):
            assert problem(client.get(f"/jobs/{job_id}{way}"))[:2] == (404, "JOB_NOT_FOUND")


def test_the_timeline_tells_every_run_in_the_older_words(app: App, client: httpx.Client, db: Any) -> None:
    job_id = moves.put(app.pool, 1, max_attempts=2)[0]
    moves.finish(app.pool, [moves.failed(moves.claim(app.pool)[0], delay=60)])
    told = client.get(f"/jobs/{job_id}/timeline").json()
    assert (told["status"], told["last_error"], told["last_worker_id"]) == ("retrying", "no", "w1")
    assert told["next_run_at"] is not None
    moves.hasten(db)
    app.pool.run(_promote())
    moves.finish(app.pool, [moves.dead(moves.claim(app.pool)[0])])
    told = client.get(f"/jobs/{job_id}/timeline").json()
    assert told["status"] == "dlq"
    assert [(a["attempt_no"], a["status"], a["error_code"]) for a in told["attempts"]] == [
        (1, "failed", "UNKNOWN"),
        (2, "dlq", "UNKNOWN"),
    ]
    assert all(a["suggested_action"] and a["latency_ms"] > 0 and a["worker_id"] == "w1" for a in told["attempts"])
    times = [event["at"] for event in told["events"]]
    assert times == sorted(times)
    assert told["events"][0]["event"] == "enqueued"


def _promote() -> Any:
    from pgflow.store import jobs

    return jobs.promote()


def test_explain_says_why_and_what_to_do(client: httpx.Client) -> None:
    job_id = client.post("/jobs", json={"job_type": "t"}).json()["job_id"]
    told = client.get(f"/jobs/{job_id}/explain").json()
    assert (told["job_id"], told["state"], told["status"]) == (job_id, "queued", "queued")
    assert "No live worker takes queue default" in told["explanation"]
    assert told["suggested_action"].startswith("Start a worker")
    assert told["parts"]["place_in_queue"] == 1


def test_lineage_is_the_whole_family(app: App, client: httpx.Client) -> None:
    eldest = die(app)
    replay = client.post(f"/jobs/{eldest}/replay").json()["new_job_id"]
    moves.finish(app.pool, [moves.dead(moves.claim(app.pool)[0])])
    again = client.post(f"/jobs/{replay}/replay").json()["new_job_id"]
    child = moves.put(app.pool, 1, parent_id=replay, root_id=eldest)[0]
    moves.put(app.pool)
    for asked in (eldest, replay, again, child):
        told = client.get(f"/jobs/{asked}/lineage").json()
        assert (told["root_id"], told["complete"], told["job_id"]) == (eldest, True, asked)
        assert [(one["job_id"], one["relation"], one["of"], one["depth"]) for one in told["items"]] == [
            (eldest, None, None, 0),
            (replay, "replay", eldest, 1),
            (again, "replay", replay, 2),
            (child, "child", replay, 2),
        ]


def test_a_family_too_large_is_cut_and_says_so(app: App, client: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from pgflow.store.admin import lineage

    monkeypatch.setattr(lineage, "MOST_RELATIVES", 5)
    root = moves.put(app.pool)[0]
    kin = moves.put(app.pool, 20, parent_id=root, root_id=root)
    told = client.get(f"/jobs/{kin[-1]}/lineage").json()
    assert told["complete"] is False
    assert len(told["items"]) == 5
    assert kin[-1] in [one["job_id"] for one in told["items"]]


def test_no_secret_comes_out_of_any_endpoint(app: App, client: httpx.Client) -> None:
    @app.task(name="pay", sensitive=("card",))
    def pay(amount: int, card: str, *, token: str, note: str = "") -> None: ...

    dsn = f"postgresql://u:{SECRET}@h/d"
    fields = {
        "task": "pay",
        "args": json.dumps([17, SECRET]),
        "kwargs": json.dumps({"token": SECRET, "note": f"at {dsn}", "deep": [{"apiKey": {"x": SECRET}}]}),
        "headers": {"authorization": f"Bearer {SECRET}", "tag": "a"},
    }
    job_id = moves.put(app.pool, 1, **fields)[0]
    claimed = moves.claim(app.pool)[0]
    outcome = moves.ended(
        claimed, OutcomeKind.DEAD, spent=1, error_code="UNKNOWN", error_message=f"cannot reach {dsn}",
        traceback=f"connect(password='{SECRET}')", reason_code="NON_RETRYABLE",
    )  # fmt: skip
    moves.finish(app.pool, [outcome])
    client.post(f"/jobs/{job_id}/replay")
    shown = client.get(f"/jobs/{job_id}").json()
    assert shown["args"] == [17, "***"]
    assert shown["kwargs"]["note"] == "at postgresql://u:***@h/d"
    ways = [f"/jobs/{job_id}{way}" for way in ("", "/timeline", "/explain", "/lineage")]
    for way in (*ways, "/jobs", "/dlq", "/dlq/groups", "/ingest/decisions", "/queues", "/workers"):
        answer = client.get(way)
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.text, way
