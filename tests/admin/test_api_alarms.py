"""Alarms, what is revealed, other arguments in a replay, and what groups and series tell more, over HTTP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from test_api_jobs import problem

import moves
from pgflow import HealthCheck
from pgflow.plugins.admin.api import alarms
from pgflow.plugins.admin.api.payload import mended
from pgflow.store.admin import act

if TYPE_CHECKING:
    import httpx
    from probes import Probes

    from pgflow import App

MASK, KEY = "***", "sk-1"
CALL = '{"to": "ada", "api_token": "sk-1", "nested": {"password": "p", "n": 1}}'


def codes(client: httpx.Client) -> list[str]:
    return [one["code"] for one in client.get("/alarms").json()["items"]]


@pytest.fixture(autouse=True)
def looked_at_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read what is cached for a second at once."""
    from pgflow.plugins.admin.api import lists

    monkeypatch.setattr(lists, "CACHED_SECONDS", 0.0)


def test_where_all_is_well_there_is_no_alarm(client: httpx.Client) -> None:
    assert client.get("/alarms").json() == {"items": []}


def test_a_queue_that_nobody_takes_is_an_alarm_and_a_paused_one_once_it_grows_a_critical_one(
    app: App, client: httpx.Client
) -> None:
    moves.put(app.pool, 2, queue="mail")
    [alarm] = client.get("/alarms").json()["items"]
    assert (alarm["code"], alarm["severity"], alarm["queue"]) == ("NO_WORKER", "critical", "mail")
    assert alarm["remedy"] == "Start one: pgflow worker -Q mail"
    app.pool.run(act.pause("mail", "a reason"))
    assert codes(client) == ["PAUSED"]
    moves.put(app.pool, 3, queue="mail")
    [alarm] = client.get("/alarms").json()["items"]
    assert (alarm["code"], alarm["severity"]) == ("PAUSED_AND_GROWING", "critical")
    assert "3 more within a minute: a reason" in alarm["detail"]


def test_lapsed_leases_silent_workers_and_old_transactions_are_alarms(
    app: App, client: httpx.Client, db: Any, monkeypatch: pytest.MonkeyPatch, migrated_url: str
) -> None:
    from pgflow.store.admin import doctor

    moves.put(app.pool, 2, queue="mail")
    moves.claim(app.pool, 2, queue="mail")
    db.execute("update pgflow.leases set expires_at = clock_timestamp() - interval '60 s'")
    db.execute("""insert into pgflow.workers values ('w1', now(), now() - interval '90 s', null, 1, 5, 2, false, 'h',
      '1', 'trio', '{q}', '{t}', '[]')""")
    monkeypatch.setattr(doctor, "OLD_TRANSACTION_SECONDS", -1.0)
    with psycopg.connect(migrated_url) as other:
        other.execute("select 1")
        assert codes(client) == ["REAPER_LATE", "OLD_TRANSACTION", "WORKER_SILENT"]


def test_the_worker_beside_the_admin_tells_more_of_itself(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = [
        HealthCheck("claims", ok=True),
        HealthCheck("slots", ok=False, detail="all are stuck", remedy="restart it", blocks=True),
        HealthCheck("upkeep", ok=False, detail="listen has been failing for 90 s: OSError", remedy="look"),
        HealthCheck("stopping", ok=False),
    ]
    monkeypatch.setattr(app, "worker_health", lambda: checks)
    found = [(one.code, one.severity) for one in alarms._of_own_workers(app)]
    assert found == [("WORKER_SLOTS", "critical"), ("LISTENER_DOWN", "warning")]


def test_what_is_masked_is_revealed_and_that_is_audited(app: App, client: httpx.Client, probes: Probes) -> None:
    [job_id] = moves.put(app.pool, 1, kwargs=CALL, args="[1]", headers={"authorization": "secret"})
    assert client.get(f"/jobs/{job_id}").json()["kwargs"]["api_token"] == MASK
    told = client.post(f"/jobs/{job_id}/reveal").json()
    assert told["kwargs"]["api_token"] == KEY
    assert (told["args"], told["headers"]) == ([1], {"authorization": "secret"})
    assert probes.audited == [
        ("local", "reveal_job", f"/jobs/{job_id}/reveal", {"status": 200, "job_type": "tests.task"})
    ]
    missing = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"
    assert problem(client.post(f"/jobs/{missing}/reveal"))[:2] == (404, "JOB_NOT_FOUND")


def test_a_replay_takes_other_arguments_and_keeps_what_is_masked(app: App, client: httpx.Client, db: Any) -> None:
    [job_id] = moves.put(app.pool, 1, kwargs=CALL, args="[1]")
    moves.finish(app.pool, [moves.dead(job) for job in moves.claim(app.pool, 1)])
    shown = client.get(f"/jobs/{job_id}").json()["kwargs"]
    wanted = {**shown, "to": "eve", "nested": {"password": "***", "n": 2}, "more": "***"}
    answer = client.post(f"/jobs/{job_id}/replay", json={"kwargs": wanted})
    new_id = answer.json()["new_job_id"]
    row = db.execute("select args, kwargs, replay_of from pgflow.jobs where id = %s", (new_id,)).fetchone()
    kept = {"to": "eve", "api_token": "sk-1", "nested": {"password": "p", "n": 2}, "more": "***"}
    assert (row[0], row[1], str(row[2])) == ([1], kept, job_id)
    assert client.get("/dlq?open=true").json()["items"] == [], "its dead letter is answered"
    waits = client.post(f"/jobs/{new_id}/replay", json={"kwargs": {}})
    assert problem(waits)[:2] == (409, "JOB_STATE")


def test_what_was_masked_is_put_back_where_it_stood() -> None:
    was = {"a": "password=x y", "token": "t", "list": [{"secret": 1}, 2], "password=z": 3}
    shown = {"a": "password=*** y", "token": "***", "list": [{"secret": "***"}, 2], "password=***": 3}
    assert mended(shown, shown, was) == was
    assert mended({**shown, "new": 1}, shown, was) == {**was, "new": 1}
    assert mended({"list": [{"secret": "***"}, 2, 3]}, shown, was) == {"list": [{"secret": 1}, 2, 3]}
    assert mended({"token": "u"}, shown, was) == {"token": "u"}
    assert mended(["***"], shown, was) == ["***"]


def test_arguments_that_do_not_fit_are_refused_in_a_replay_too(app: App, client: httpx.Client) -> None:
    @app.task(name="known")
    def known(number: int) -> None: ...

    [job_id] = moves.put(app.pool, 1, task="known", kwargs='{"number": 1}')
    moves.finish(app.pool, [moves.dead(job) for job in moves.claim(app.pool, 1)])
    assert problem(client.post(f"/jobs/{job_id}/replay", json={"kwargs": {"other": 1}})) == (
        422, "BAD_ARGUMENTS", "/kwargs",
    )  # fmt: skip


def test_groups_count_deaths_over_time_and_series_have_a_total(app: App, client: httpx.Client, db: Any) -> None:
    moves.put(app.pool, 3)
    moves.finish(app.pool, [moves.dead(job) for job in moves.claim(app.pool, 3)])
    db.execute("update pgflow.dead_letters set dead_at = now() - interval '24 min'"
               " where job_id = (select job_id from pgflow.dead_letters order by job_id limit 1)")  # fmt: skip
    [group] = client.get("/dlq/groups").json()["items"]
    assert (len(group["deaths"]), sum(group["deaths"])) == (24, 3)
    assert (group["deaths"][0], group["deaths"][-1]) == (1, 2)
    told = client.get("/stats?window=5m").json()
    assert (told["total"]["dead"], told["total"]["failed"]) == (3, 3)
    assert told["total"]["run_p50_ms"] > 0
    assert told["total"]["at"] == told["items"][0]["at"]
