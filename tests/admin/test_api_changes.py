"""Changes over HTTP: cancel, retry, replay, in bulk and of the dead letters; and what is kept of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from test_api_jobs import ABSENT, die, ids, problem

import moves

if TYPE_CHECKING:
    import httpx

    from pgflow import App


def state(client: httpx.Client, job_id: str) -> str:
    return str(client.get(f"/jobs/{job_id}").json()["state"])


def test_cancel_ends_what_waits_and_asks_what_runs(app: App, client: httpx.Client) -> None:
    running, waiting = moves.put(app.pool, 2)
    assert moves.claim(app.pool, 1)[0].job_id == running
    assert client.post(f"/jobs/{waiting}/cancel").json() == {
        "job_id": waiting, "result": "cancelled", "state": "queued", "status": "queued",
    }  # fmt: skip
    assert client.post(f"/jobs/{running}/cancel", json={}).json()["result"] == "asked"
    assert client.get(f"/jobs/{waiting}").json()["status"] == "canceled"
    answer = client.post(f"/jobs/{waiting}/cancel")
    assert problem(answer)[:2] == (409, "JOB_STATE")
    assert answer.json()["state"] == "cancelled"
    assert problem(client.post(f"/jobs/{ABSENT}/cancel"))[:2] == (404, "JOB_NOT_FOUND")
    assert problem(client.post(f"/jobs/{waiting}/cancel", json={"why": 1})) == (422, "UNKNOWN_FIELD", "/why")


def test_retry_runs_a_dead_or_scheduled_job_now(app: App, client: httpx.Client) -> None:
    dead, scheduled = die(app), moves.put(app.pool, 1, delay=60.0)[0]
    for job_id in (dead, scheduled):
        assert client.post(f"/jobs/{job_id}/retry").json()["result"] == "retried"
        assert state(client, job_id) == "queued"
    assert problem(client.post(f"/jobs/{dead}/retry"))[:2] == (409, "JOB_STATE")


def test_replay_makes_a_new_job_with_or_without_a_body(app: App, client: httpx.Client) -> None:
    dead = die(app, kwargs='{"a":1}')
    first = client.post(f"/jobs/{dead}/replay", content=b"")
    assert first.status_code == 201
    assert first.json()["replay_of_job_id"] == dead
    body = {"queue": "vip", "run_at": "2199-01-01T00:00:00+00:00"}
    second = client.post(f"/jobs/{dead}/replay", json=body).json()["new_job_id"]
    shown = client.get(f"/jobs/{second}").json()
    assert (shown["queue"], shown["state"], shown["replay_of"], shown["kwargs"]) == ("vip", "scheduled", dead, {"a": 1})
    assert problem(client.post(f"/jobs/{second}/replay"))[:2] == (409, "JOB_STATE")
    assert client.get("/dlq").json()["items"][0]["replayed_as"] == second


def test_bulk_answers_for_each_id(app: App, client: httpx.Client) -> None:
    dead, waiting = die(app), moves.put(app.pool, 1, delay=60.0)[0]
    answer = client.post("/jobs/bulk", json={"action": "cancel", "ids": [dead, waiting, ABSENT, dead]}).json()
    assert (answer["matched"], answer["changed"], answer["more"]) == (3, 1, False)
    assert [(one["job_id"], one["result"], one["status"]) for one in answer["items"]] == [
        (dead, "refused", "dlq"),
        (waiting, "cancelled", "scheduled"),
        (ABSENT, "missing", None),
    ]
    answer = client.post("/jobs/bulk", json={"action": "replay", "ids": [waiting, dead, ABSENT]}).json()
    assert [one["result"] for one in answer["items"]] == ["refused", "replayed", "missing"]
    new = answer["items"][1]["new_job_id"]
    assert client.get(f"/jobs/{new}").json()["replay_of"] == dead
    again = client.post("/jobs/bulk", json={"action": "replay", "ids": [dead]}).json()
    assert again["items"][0]["result"] == "refused"


def test_bulk_by_filter_counts_first_and_then_does_no_more_than_that(app: App, client: httpx.Client) -> None:
    mail = moves.put(app.pool, 3, queue="mail")
    other = moves.put(app.pool, 1)[0]
    ask = {"action": "cancel", "filter": {"queue": "mail"}}
    counted = client.post("/jobs/bulk", json={**ask, "dry_run": True}).json()
    assert (counted["matched"], counted["changed"], counted["items"]) == (3, 0, [])
    assert state(client, mail[0]) == "queued"
    late = moves.put(app.pool, 1, queue="mail")[0]
    refused = client.post("/jobs/bulk", json={**ask, "confirm": 3})
    assert problem(refused)[:2] == (409, "MORE_THAN_CONFIRMED")
    assert refused.json()["matched"] == 4
    done = client.post("/jobs/bulk", json={**ask, "confirm": 4}).json()
    assert (done["matched"], done["changed"]) == (4, 4)
    assert {state(client, job_id) for job_id in (*mail, late)} == {"cancelled"}
    assert state(client, other) == "queued"


def test_bulk_discards_and_retries_by_state(app: App, client: httpx.Client) -> None:
    dead, gone = die(app), die(app, task="gone")
    ask = {"action": "discard", "filter": {"job_type": "gone", "status": "dlq"}}
    assert client.post("/jobs/bulk", json={**ask, "confirm": 1}).json()["items"][0]["result"] == "discarded"
    assert ids(client.get("/dlq?open=true")) == [dead]
    assert ids(client.get("/dlq")) == [gone, dead]
    retried = client.post("/jobs/bulk", json={"action": "retry", "filter": {}, "confirm": 2}).json()
    assert {one["job_id"] for one in retried["items"]} == {dead, gone}


def test_bulk_refuses_what_it_does_not_understand(client: httpx.Client) -> None:
    refused: list[tuple[Any, str, str]] = [
        ({"action": "cancel"}, "NO_SELECTOR", "/ids"),
        ({"action": "cancel", "ids": [ABSENT], "filter": {}}, "NO_SELECTOR", "/ids"),
        ({"action": "cancel", "ids": []}, "INVALID_VALUE", "/ids"),
        ({"action": "cancel", "ids": [ABSENT] * 1001}, "INVALID_VALUE", "/ids"),
        ({"action": "cancel", "ids": ["x"]}, "NOT_AN_ID", "/ids/0"),
        ({"action": "cancel", "ids": [ABSENT], "confirm": 1}, "NOT_WITH_IDS", "/confirm"),
        ({"action": "cancel", "filter": {}}, "CONFIRM_FIRST", "/confirm"),
        ({"action": "cancel", "filter": {}, "dry_run": True, "confirm": 1}, "CONFIRM_FIRST", "/confirm"),
        ({"action": "cancel", "filter": {"state": "dead"}, "dry_run": True}, "STATE_DOES_NOT_FIT", "/filter/state"),
        ({"action": "cancel", "filter": {"queu": "x"}, "dry_run": True}, "UNKNOWN_FIELD", "/filter/queu"),
        ({"action": "explode", "ids": [ABSENT]}, "INVALID_VALUE", "/action"),
        ({"ids": [ABSENT]}, "MISSING_FIELD", "/action"),
    ]
    for body, code, pointer in refused:
        assert problem(client.post("/jobs/bulk", json=body)) == (422, code, pointer)


def test_dead_letters_are_listed_newest_first_with_every_filter(app: App, client: httpx.Client) -> None:
    made = [die(app, message=f"order {n} of {n}", task="a" if n else "b", queue="q") for n in range(3)]
    moves.put(app.pool, 1, queue="q")
    assert ids(client.get("/dlq")) == made[::-1]
    first = client.get("/dlq?limit=2").json()
    assert [one["job_id"] for one in first["items"]] == made[:0:-1]
    assert ids(client.get(f"/dlq?limit=2&cursor={first['next_cursor']}")) == made[:1]
    shown = first["items"][0]
    assert (shown["status"], shown["reason_code"], shown["dlq_reason_code"]) == ("dlq",) + ("NON_RETRYABLE",) * 2
    assert (shown["replayed_as"], shown["discarded_at"]) == (None, None)
    groups = client.get("/dlq/groups").json()["items"]
    assert [(one["task"], one["count"], one["newest_job_id"]) for one in groups] == [
        ("a", 2, made[2]),
        ("b", 1, made[0]),
    ]
    for query, found in {
        "job_type=b": made[:1], "q=ORDER 1": made[1:2], "queue=other": [], "worker=w1": made[::-1],
        "reason_code=NON_RETRYABLE": made[::-1], "reason_code=WORKER_CRASHED": [], "error_code=UNKNOWN": made[::-1],
        f"fingerprint={groups[0]['fingerprint']}": made[::-1], "fingerprint=000000000000": [],
        f"fingerprint={groups[0]['fingerprint']}&job_type=a": made[:0:-1], "tag=x": [],
    }.items():  # fmt: skip
        assert ids(client.get(f"/dlq?{query}")) == found, query
    assert client.get("/dlq/groups?queue=other").json() == {"items": []}
    assert problem(client.get("/dlq?state=dead")) == (422, "UNKNOWN_PARAMETER", "?state")


def test_dead_letters_are_replayed_at_a_rate(app: App, client: httpx.Client, db: Any) -> None:
    made = [die(app, queue="q") for _ in range(4)]
    other = die(app, queue="other")
    ask = {"filter": {"queue": "q"}, "rate": 0.1}
    counted = client.post("/dlq/replay", json={**ask, "dry_run": True}).json()
    assert (counted["matched"], counted["replayed"], counted["last_run_in_seconds"]) == (4, 0, 30.0)
    first = client.post("/dlq/replay", json={**ask, "limit": 1}).json()
    assert (first["replayed"], first["more"], first["items"][0]["replay_of_job_id"]) == (1, True, made[3])
    rest = client.post("/dlq/replay", json=ask).json()
    assert (rest["matched"], rest["replayed"], rest["more"]) == (3, 3, False)
    again = client.post("/dlq/replay", json=ask).json()
    assert (again["matched"], again["items"]) == (0, [])
    steps = db.execute(
        "select extract(epoch from run_at - created_at)::float from pgflow.jobs where replay_of = any (%s) order by 1",
        ([one["replay_of_job_id"] for one in rest["items"]],),
    ).fetchall()
    assert [step for (step,) in steps] == pytest.approx([0, 10, 20], abs=1)
    assert ids(client.get("/dlq?open=true")) == [other]


def test_a_replay_of_the_dead_refuses_what_does_not_fit(client: httpx.Client) -> None:
    refused: list[tuple[Any, str]] = [
        ({}, "/filter"), ({"filter": {}, "rate": 0}, "/rate"), ({"filter": {}, "rate": "1"}, "/rate"),
        ({"filter": {}, "limit": 10_001}, "/limit"), ({"filter": {"state": "dead"}}, "/filter/state"),
    ]  # fmt: skip
    for body, pointer in refused:
        status, _, told = problem(client.post("/dlq/replay", json=body))
        assert (status, told) == (422, pointer)


def test_a_search_of_the_dead_stops_at_its_bound_and_goes_on(
    app: App, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgflow.store.admin import look

    monkeypatch.setattr(look, "LOOKED_AT_ROWS", 5)
    first = die(app, message="needle", queue="q")
    for _ in range(12):
        die(app, queue="q")
    told = client.get("/dlq?q=needle&limit=1").json()
    assert told["items"] == []
    assert told["scanned_to"] == told["next_cursor"] is not None
    found: list[str] = []
    while told["next_cursor"]:
        told = client.get(f"/dlq?q=needle&limit=1&cursor={told['next_cursor']}").json()
        found += [one["job_id"] for one in told["items"]]
    assert found == [first]
