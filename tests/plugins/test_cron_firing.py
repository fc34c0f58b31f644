"""Firing: each slot exactly once, all of a slot or nothing of it, and a schedule that goes on whatever happens."""

from __future__ import annotations

import threading
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest
from cron_apps import YEARLY, Refusing, fire, jobs_of, keys, let_be_due, put

from pgflow.plugins.cron import cron, every
from pgflow.plugins.cron.firing import Firing
from pgflow.plugins.cron.schedules import Schedules
from workers import until, working

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import App

NIL = "00000000-0000-0000-0000-000000000000"


def test_a_due_slot_becomes_a_job_as_its_task_is_declared(app: App, db: Any) -> None:
    put(app, schedule=cron("0 0 1 1 *", args=[1], kwargs={"to": "a"}))
    let_be_due(db)
    slot = Schedules(app).get("x").next_at
    assert fire(app) == 1
    [(job_id, headers, delay, queue, max_attempts, args, kwargs)] = jobs_of(db)
    assert (headers["schedule"], datetime.fromisoformat(headers["slot"])) == ("x", slot)
    assert (delay, queue, max_attempts, args, kwargs) == (0, "clock", 3, [1], {"to": "a"})
    row = Schedules(app).get("x")
    assert (row.fired, row.missed, row.last_job_id) == (1, 0, job_id)
    assert row.next_at > slot
    assert row.next_at == row.upcoming[0]
    assert [taken for _, taken in keys(db)] == [job_id]
    assert fire(app) == 0


def test_a_slot_that_was_taken_is_never_fired_again(app: App, db: Any) -> None:
    put(app)
    let_be_due(db)
    slot = Schedules(app).get("x").next_at
    fire(app)
    Schedules(app).remove("x")
    put(app)
    db.execute("update pgflow.schedules set next_at = %s", [slot])
    assert fire(app) == 1
    assert len(jobs_of(db)) == 1
    assert Schedules(app).get("x").next_at > slot


def test_workers_together_fire_each_slot_once(make: Callable[..., App], db: Any) -> None:
    apps, names = [make() for _ in range(3)], [f"s{n}" for n in range(8)]
    for name in names:
        put(apps[0], name, schedule=cron("* * * * * *", coalesce=False, misfire_grace=3_600))
        let_be_due(db, name, seconds=150)
    threads = [threading.Thread(target=fire, args=[app]) for app in apps for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for name in names:
        slots = [headers["slot"] for _, headers, *_ in jobs_of(db, name)]
        assert len(slots) == len(set(slots)) >= 150
        assert Schedules(apps[0]).get(name).fired == len(slots)
    assert NIL not in {job_id for _, job_id in keys(db)}


def test_a_firing_that_is_cut_off_leaves_neither_key_nor_job(
    app: App, db: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(app)
    let_be_due(db)
    before = Schedules(app).get("x").next_at
    with monkeypatch.context() as patch:
        patch.setattr("pgflow.plugins.cron.rows.advance", lambda *_, **__: 1 / 0)
        fires = Firing(app)
        assert fires.fire()
        assert not fires.fire()  # left alone for some seconds
    assert app.hooks.errors["cron", "pgflow_lifespan"] == 1
    assert (jobs_of(db), keys(db)) == ([], [])
    assert Schedules(app).get("x").next_at == before
    fire(app)
    assert len(jobs_of(db)) == 1


def test_one_that_fails_does_not_hold_up_the_others(app: App, db: Any) -> None:
    for name in ("bad", "good"):
        put(app, name)
        let_be_due(db, name, seconds=9 if name == "bad" else 1)
    db.execute("update pgflow.schedules set tz = 'Nowhere/AtAll' where name = 'bad'")
    assert fire(app) == 2
    assert len(jobs_of(db, "good")) == 1
    assert [row.name for row in Schedules(app).page()] == ["bad", "good"]


def test_a_refused_job_spends_its_slot_and_the_schedule_goes_on(make: Callable[..., App], db: Any) -> None:
    app = make(Refusing("tick"))
    put(app)
    let_be_due(db)
    slot = Schedules(app).get("x").next_at
    fire(app)
    row = Schedules(app).get("x")
    assert (row.refused, row.fired, row.last_job_id) == (1, 0, None)
    assert "no such jobs today" in (row.last_error or "")
    assert row.next_at > slot
    assert [taken for _, taken in keys(db)] == [NIL]
    assert db.execute("select reason_code, task from pgflow.decisions").fetchall() == [("NOT_TODAY", "tick")]
    assert jobs_of(db) == []


def test_arguments_that_no_longer_fit_are_told_and_the_schedule_goes_on(app: App, db: Any) -> None:
    put(app, task="tock")
    db.execute("update pgflow.schedules set args = '[1]'")
    let_be_due(db)
    fire(app)
    row = Schedules(app).get("x")
    assert row.refused == 1
    assert "tock" in (row.last_error or "")
    db.execute("update pgflow.schedules set args = '[]'")
    let_be_due(db, seconds=60)
    fire(app)
    assert (Schedules(app).get("x").last_error, len(jobs_of(db))) == (None, 1)


def test_late_slots_are_skipped_beyond_the_grace_and_counted(app: App, db: Any) -> None:
    put(app, schedule=every(10, misfire_grace=35, coalesce=False))
    db.execute("update pgflow.schedules set anchor_at = date_trunc('second', clock_timestamp()) - interval '101 s'")
    db.execute("update pgflow.schedules set next_at = anchor_at + interval '10 s'")
    fire(app)
    row = Schedules(app).get("x")
    assert (row.fired, row.missed) == (len(jobs_of(db)), 10 - row.fired)
    assert row.fired in (3, 4)


def test_jitter_puts_a_job_off_within_its_bounds(app: App, db: Any) -> None:
    put(app, schedule=cron("0 0 1 1 *", jitter=1_000))
    let_be_due(db)
    fire(app)
    [(_, _, delay, *_)] = jobs_of(db)
    assert 0 <= delay < 1_000
    assert db.execute("select count(*) from pgflow.scheduled").fetchone() == ((1 if delay else 0),)


def test_a_paused_schedule_waits_and_resumes_with_its_next_slot(app: App, db: Any) -> None:
    put(app)
    let_be_due(db)
    paused = Schedules(app).pause("x", "the bank is closed")
    assert (paused.paused, paused.paused_reason) == (True, "the bank is closed")
    assert fire(app) == 0
    resumed = Schedules(app).resume("x")
    assert (resumed.paused, resumed.paused_reason, resumed.paused_at) == (False, None, None)
    assert resumed.next_at > resumed.updated_at
    assert (fire(app), Schedules(app).get("x").missed) == (0, 0)


def test_a_worker_fires_only_what_it_knows(app: App, make: Callable[..., App], db: Any) -> None:
    put(app, task="elsewhere")
    let_be_due(db)
    other = make(schedule=YEARLY)
    Firing(other).sync()
    let_be_due(db, "task:tick")
    assert fire(app) == 0
    assert fire(other) == 1
    assert len(jobs_of(db, "task:tick")) == 1
    db.execute("update pgflow.schedules set next_at = clock_timestamp() - interval '2 min' where name = 'x'")
    [check] = [check for check in app.hooks.health(app) if check.name == "schedules"]
    assert not check.ok
    assert "no live worker knows task elsewhere" in check.detail


def test_a_look_sleeps_until_the_next_slot_and_five_seconds_at_most(app: App, db: Any) -> None:
    fires = Firing(app)
    assert fires.look() == 5
    put(app, schedule=every(4))
    assert 0 < fires.look() <= 4
    let_be_due(db)
    assert 0 < fires.look() <= 4
    assert len(jobs_of(db)) == 1


@pytest.mark.anyio
async def test_a_worker_fires_within_a_second_and_runs_the_job(make: Callable[..., App], db: Any) -> None:
    app = make(schedule=[every(1, args=["static"]), YEARLY])
    async with working(app):
        await until(lambda: len(jobs_of(db, "task:tick")) >= 2)
        put(app, schedule=every(1, args=["dynamic"]))
        await until(lambda: jobs_of(db))
        job = app.job(jobs_of(db, "task:tick")[0][0])
        assert await job.await_result(10) == [["static"], {}]
    assert {row.name for row in Schedules(app).page()} == {"x", "task:tick", "task:tick:2"}
    for _, headers, *_ in jobs_of(db, "task:tick"):
        [late] = db.execute(
            "select extract(epoch from created_at - (headers ->> 'slot')::timestamptz)::float from pgflow.jobs"
            " where headers ->> 'slot' = %s and headers ->> 'schedule' = 'task:tick'", [headers["slot"]]
        ).fetchone()  # fmt: skip
        assert 0 <= late < 3


@pytest.mark.anyio
async def test_two_workers_share_the_slots_of_one_schedule(make: Callable[..., App], db: Any) -> None:
    first, second = make(schedule=every(1)), make(schedule=every(1))
    async with working(first), working(second):
        await until(lambda: len(jobs_of(db, "task:tick")) >= 4)
    slots = [headers["slot"] for _, headers, *_ in jobs_of(db, "task:tick")]
    assert len(slots) == len(set(slots)) == len(keys(db))


@pytest.mark.anyio
async def test_firing_outlives_a_database_that_goes_away(make: Callable[..., App], db: Any) -> None:
    app = make(schedule=every(1))
    async with working(app):
        await until(lambda: jobs_of(db, "task:tick"))
        db.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()"
            " and datname = current_database()"
        )
        seen = len(jobs_of(db, "task:tick"))
        await until(lambda: len(jobs_of(db, "task:tick")) >= seen + 2)
