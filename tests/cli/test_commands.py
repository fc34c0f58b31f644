"""Each command against a real database: what it prints, what it gives as JSON, and how it ends."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from typing import TYPE_CHECKING, Any

from moves import claim, count, dead, finish, put
from pgflow.model import State

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg
    from cli_runs import Command

    from pgflow.store.pool import Pool

MISSING = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"
TASKS = "cli_tasks:app"


def three_dead(pool: Pool) -> list[str]:
    """Put three dead letters into the queue mail."""
    ids = put(pool, 3, queue="mail")
    finish(pool, [dead(job, "NON_RETRYABLE") for job in claim(pool, queue="mail")])
    return ids


def test_a_job_is_enqueued_worked_and_seen(pgflow: Command) -> None:
    job_id = pgflow("enqueue", "cli_tasks.add", "--args", "[1]", "--kwargs", '{"b": 2}').stdout.strip()
    assert str(uuid.UUID(job_id)) == job_id
    done = pgflow("worker", "-A", TASKS, "--burst")
    assert "worker" in done.stderr
    for word in ("asyncio", "queues default, mail", "10 tasks", "slots 100 async", "database ", "pgflow 0."):
        assert word in done.stderr
    listed = pgflow.json("jobs", "--state", "succeeded")
    assert [item["id"] for item in listed["items"]] == [job_id]
    assert listed["next_cursor"] is None
    assert listed["items"][0]["kwargs"] == {"b": 2}
    assert datetime.fromisoformat(listed["items"][0]["created_at"]).tzinfo is not None
    assert job_id in pgflow("jobs").stdout
    assert pgflow("jobs", "--state", "dead").stdout == "no jobs\n"


def test_the_options_of_enqueue_reach_the_job(pgflow: Command) -> None:
    when = "2150-01-02T03:04:05+01:00"
    first = pgflow.json(
        "enqueue",
        "anyone.knows",
        "-q",
        "vip",
        "--priority",
        "7",
        "--run-at",
        when,
        "--max-attempts",
        "3",
        "--timeout",
        "9.5",
    )["job_id"]
    second = pgflow.json("enqueue", "anyone.knows", "--delay", "3600")["job_id"]
    rows = {item["id"]: item for item in pgflow.json("jobs")["items"]}
    row = rows[first]
    assert (row["queue"], row["priority"], row["max_attempts"], row["timeout"]) == ("vip", 7, 3, 9.5)
    assert datetime.fromisoformat(row["run_at"]) == datetime.fromisoformat(when)
    assert (rows[second]["state"], rows[second]["queue"]) == ("scheduled", "default")


def test_waiting_gives_the_result_and_fails_with_the_job(pgflow: Command) -> None:
    pgflow.start("worker", "-A", TASKS)
    waited = pgflow.json("enqueue", "cli_tasks.add", "-A", TASKS, "--args", "[4]", "--wait")
    assert waited == {"job_id": waited["job_id"], "state": "succeeded", "result": 5}
    done = pgflow("enqueue", "cli_tasks.fail", "-A", TASKS, "--args", '["oh"]', "--wait", code=1)
    assert "BAD_DAY: oh" in done.stderr


def test_pages_of_jobs_follow_each_other(pgflow: Command, pool: Pool) -> None:
    ids = put(pool, 3)
    first = pgflow.json("jobs", "--limit", "2")
    assert [item["id"] for item in first["items"]] == ids[:0:-1]
    rest = pgflow.json("jobs", "--limit", "2", "--before", first["next_cursor"])
    assert [item["id"] for item in rest["items"]] == ids[:1]
    assert f"--before {ids[1]}" in pgflow("jobs", "--limit", "2").stdout


def test_cancel_and_retry_say_what_became_of_each_job(pgflow: Command, pool: Pool) -> None:
    job_id, later = put(pool, 2, delay=60.0)
    assert pgflow.json("cancel", job_id)["items"] == [{"job_id": job_id, "result": "cancelled", "state": "scheduled"}]
    again = pgflow("cancel", job_id, MISSING, code=1).stdout
    assert "refused" in again
    assert "it is cancelled" in again
    assert "missing" in again
    assert "retried" in pgflow("retry", later).stdout
    assert pgflow.json("jobs", "--state", "queued")["items"][0]["id"] == later
    assert "not a job id" in pgflow.refused("cancel", "17", code=1)


def test_dead_letters_are_listed_and_grouped(pgflow: Command, pool: Pool) -> None:
    ids = three_dead(pool)
    assert {item["job_id"] for item in pgflow.json("dlq", "--queue", "mail")["items"]} == set(ids)
    assert pgflow.json("dlq", "--reason", "WORKER_CRASHED")["items"] == []
    group = pgflow.json("dlq", "--groups")["items"][0]
    assert (group["count"], group["reason_code"], group["error_code"]) == (3, "NON_RETRYABLE", "UNKNOWN")
    assert "NON_RETRYABLE" in pgflow("dlq", "--groups").stdout
    shown = pgflow("dlq").stdout
    assert all(job_id in shown for job_id in ids)


def test_dead_letters_are_replayed_once(pgflow: Command, pool: Pool) -> None:
    ids = three_dead(pool)
    one = pgflow.json("replay", ids[0], "--to", "elsewhere")["items"]
    assert one[0]["replay_of_job_id"] == ids[0]
    assert pgflow("replay", "--dead", "--dry-run").stdout == "2 would be replayed\n"
    assert "--yes" in pgflow.refused("replay", "--dead", code=2)
    assert pgflow("replay", "--dead", "--task", "other.task", "--yes").stdout == "nothing to replay\n"
    replayed = pgflow.json("replay", "--dead", "--queue", "mail", "--reason", "NON_RETRYABLE", "--yes")
    assert {item["replay_of_job_id"] for item in replayed["items"]} == set(ids[1:])
    assert pgflow("dlq").stdout == "no dead letters\n"
    assert len(pgflow.json("dlq", "--all")["items"]) == 3


def test_queues_are_paused_resumed_and_listed(pgflow: Command) -> None:
    assert pgflow("queues").stdout == "no queues yet\n"
    assert pgflow("queues", "pause", "mail", "--reason", "the provider is down").stdout == "mail is paused\n"
    row = pgflow.json("queues")["items"][0]
    assert (row["name"], row["paused"], row["paused_reason"]) == ("mail", True, "the provider is down")
    assert "the provider is down" in pgflow("queues", "list").stdout
    assert pgflow.json("queues", "resume", "mail") == {"queue": "mail", "paused": False, "changed": True}
    assert pgflow("queues", "resume", "mail").stdout == "mail was not paused\n"
    assert "is not a name" in pgflow.refused("queues", "pause", "a b", code=2)


def test_a_refused_enqueue_is_an_error_and_a_decision(pgflow: Command) -> None:
    big = json.dumps(["x" * 100])
    message = pgflow.refused("enqueue", "some.task", "--args", big, code=1, PGFLOW_MAX_PAYLOAD_BYTES="50")
    assert "PAYLOAD_TOO_LARGE" in message
    assert "PGFLOW_MAX_PAYLOAD_BYTES" in message
    found = pgflow.json("decisions", "--kind", "ingest", "--reason", "PAYLOAD_TOO_LARGE")
    assert found["items"][0]["id"] == str(int(found["items"][0]["id"]))
    assert found["items"][0]["reason_code"] == "PAYLOAD_TOO_LARGE"
    assert "PAYLOAD_TOO_LARGE" in pgflow("decisions").stdout


def test_reset_needs_yes_and_forgets_everything(pgflow: Command, pool: Pool, db: psycopg.Connection[Any]) -> None:
    put(pool)
    assert "--yes" in pgflow.refused("reset", code=2)
    assert count(db, "jobs") == 1
    pgflow("reset", "--yes")
    assert count(db, "jobs") == 0


def test_migrate_applies_what_is_missing_and_then_nothing(bare_command: Command, database_url: str) -> None:
    where = ("--dsn", database_url)
    assert "pgflow migrate" in bare_command.refused("jobs", *where, code=3)
    assert "missing 0001_jobs" in bare_command("migrate", "--check", *where, code=1).stdout
    assert "applied 0001_jobs" in bare_command("migrate", *where).stdout
    assert bare_command.json("migrate", *where) == {"applied": []}
    assert bare_command("migrate", "--check", *where).stdout == "the schema is up to date\n"


def test_seed_enqueues_in_bulk_and_watch_counts(pgflow: Command) -> None:
    seeded = pgflow.json("seed", "2500", "--queue", "bulk")
    assert seeded["enqueued"] == 2500
    assert seeded["per_sec"] > 0
    lines = pgflow("watch", "--count", "2", "--every", "0.2", "--json").stdout.splitlines()
    assert len(lines) == 2
    seen: dict[str, Any] = json.loads(lines[0])
    assert seen["queued"] == 2500
    assert set(seen) == {"queued", "scheduled", "retrying", "running", "dead", "done_per_sec", "failed_per_sec"}
    assert "2500" in pgflow("watch", "--count", "1", "--every", "0.1").stdout


def test_workers_shows_who_is_alive(pgflow: Command, until_state: Callable[[str, str], None]) -> None:
    assert "pgflow worker" in pgflow("workers").stdout
    job_id = pgflow.json("enqueue", "cli_tasks.rest", "-A", TASKS, "--args", "[60]")["job_id"]
    pgflow.start("worker", "-A", TASKS, "--grace", "0", PGFLOW_WORKER_ID="w-1")
    until_state(job_id, State.RUNNING)
    row = pgflow.json("workers")["items"][0]
    assert (row["id"], row["alive"], row["backend"]) == ("w-1", True, "asyncio")
    assert "alive" in pgflow("workers").stdout


def test_psql_is_given_the_database_and_its_own_words(pgflow: Command, db: psycopg.Connection[Any]) -> None:
    assert pgflow("db", "psql", "--", "-Atc", "select current_database()").stdout.strip() == db.info.dbname


def test_secrets_are_masked_wherever_a_job_is_shown(pgflow: Command) -> None:
    secrets = '{"password": "hunter2", "note": "postgresql://u:hunter2@db/x"}'
    job_id = pgflow.json("enqueue", "shop.pay", "--kwargs", secrets)["job_id"]
    for words in (["job", job_id], ["job", job_id, "--json"], ["jobs", "--json"], ["explain", job_id]):
        shown = pgflow(*words).stdout
        assert "hunter2" not in shown
    assert "***" in pgflow("job", job_id).stdout


def test_the_arguments_a_task_calls_sensitive_are_masked(pgflow: Command) -> None:
    job_id = pgflow.json("enqueue", "cli_tasks.pay", "--args", "[17, 4111]", "-A", "cli_tasks:app")["job_id"]
    assert "  0: 17\n  1: ***\n" in pgflow("job", job_id, "-A", "cli_tasks:app").stdout
    items = pgflow.json("jobs", "-A", "cli_tasks:app")["items"]
    assert items[0]["args"] == [17, "***"]


def test_limits_of_a_queue_are_set_and_shown(pgflow: Command) -> None:
    said = pgflow("queues", "set", "mail", "--max-in-flight", "10", "--throttle-ms", "250").stdout
    assert said == "mail: 10 in flight, rests 250 ms\n"
    [mail] = [item for item in pgflow.json("queues")["items"] if item["name"] == "mail"]
    assert (mail["max_in_flight"], mail["max_attempts_per_minute"], mail["throttle_delay_ms"]) == (10, None, 250)
    assert pgflow("queues", "set", "mail", "--max-in-flight", "none").returncode == 0
