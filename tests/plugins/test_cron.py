"""Schedules on tasks and in the database: declared, stored, changed, by code, HTTP and the command line."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from cron_apps import YEARLY, Refusing, fire, jobs_of, let_be_due, put

from pgflow import ArgumentError, JobRejected, TaskDefinitionError
from pgflow.plugins.cron import Cron, cron, every
from pgflow.plugins.cron import rows as statements
from pgflow.plugins.cron.firing import Firing
from pgflow.plugins.cron.schedules import ScheduleNotFoundError, Schedules, StaticScheduleError
from pgflow.plugins.cron.static import declared, tidy

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import App


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        (cron("61 * * * *"), "task tick: schedule .*cron('61 \\* \\* \\* \\*').*bad minute.*use five fields"),
        (cron("@daily", tz="Europe/Pariss"), "task tick: .*tz 'Europe/Pariss'.*did you mean Europe/Paris"),
        (every(seconds=-1), "task tick: .*seconds -1 must be a number of seconds from 1"),
        ([every(5), "0 * * * *"], "task tick: .*'0 \\* \\* \\* \\*' is no schedule: use cron.* or every"),
        ("0 * * * *", "is no schedule"),
    ],
)
def test_a_bad_schedule_is_refused_where_it_is_declared(make: Callable[..., App], schedule: Any, said: str) -> None:
    with pytest.raises(TaskDefinitionError, match=said.replace("(", "\\(").replace(")", "\\)")):
        make(schedule=schedule)


def test_a_schedule_whose_arguments_do_not_fit_is_refused(app: App) -> None:
    with pytest.raises(TaskDefinitionError, match=r"(?s)task tock2: schedule every\(seconds=5\)"):
        app.task(name="tock2", schedule=every(5, args=[1]))(_nothing)


def _nothing() -> None:
    return None


def test_two_schedules_of_one_name_are_refused(app: App) -> None:
    app.task(name="a", schedule=every(5, name="same"))(_nothing)
    app.task(name="b", schedule=every(5, name="same"))(_nothing)
    with pytest.raises(TaskDefinitionError, match="tasks a and b both have a schedule task:same"):
        declared(app)


def test_static_schedules_are_brought_in_once_and_keep_their_slots(make: Callable[..., App]) -> None:
    app = make(schedule=[cron("@daily", tz="Europe/Paris"), every(90, name="often")])
    Firing(app).sync()
    first = {row.name: row for row in Schedules(app).page()}
    assert first.keys() == {"task:tick", "task:often"}
    assert (first["task:tick"].kind, first["task:tick"].task, first["task:tick"].queue) == ("static", "tick", "clock")
    assert (first["task:often"].next_at - first["task:often"].anchor_at).total_seconds() == 90
    Firing(app).sync()
    assert {row.name: row for row in Schedules(app).page()}.items() == first.items()


def test_a_changed_schedule_gets_a_new_slot_and_stays_paused(make: Callable[..., App]) -> None:
    Firing(make(schedule=YEARLY)).sync()
    app = make(schedule=cron("@hourly", args=[1]))
    before = Schedules(app).pause("task:tick", "not now")
    Firing(app).sync()
    after = Schedules(app).get("task:tick")
    assert (after.cron, after.args, after.paused) == ("@hourly", [1], True)
    assert after.next_at < before.next_at
    Firing(make(schedule=cron("@hourly", args=[2], jitter=5))).sync()
    again = Schedules(app).get("task:tick")
    assert (again.args, again.jitter, again.next_at) == ([2], 5, after.next_at)


def test_a_static_schedule_that_nobody_declares_is_retired_after_a_day(make: Callable[..., App], db: Any) -> None:
    app = make(schedule=[YEARLY, every(5), every(6)])
    Firing(app).sync()
    put(app)
    Schedules(app).pause("task:tick:3")
    old = "update pgflow.schedules set seen_at = clock_timestamp() - interval '25 h' where name <> 'task:tick'"
    db.execute(old)
    assert tidy(app.db.run) == ["task:tick:2"]
    assert [row.name for row in Schedules(app).page()] == ["task:tick", "task:tick:3", "x"]
    db.execute(old)
    Schedules(app).resume("task:tick:3")
    Firing(app).sync()
    assert tidy(app.db.run) == []


def test_a_schedule_taken_off_a_task_fires_no_more(make: Callable[..., App], db: Any) -> None:
    Firing(make(schedule=every(5))).sync()
    let_be_due(db, "task:tick")
    assert fire(make()) == 0


def test_a_dynamic_schedule_is_stored_changed_and_removed(app: App) -> None:
    row, is_new = Schedules(app).put("x", "tick", cron("@daily", tz="Europe/Paris"), queue="vip")
    assert (is_new, row.kind, row.queue, row.tz, len(row.upcoming)) == (True, "dynamic", "vip", "Europe/Paris", 5)
    same, is_new = Schedules(app).put("x", "tick", cron("@daily", tz="Europe/Paris", args=[1]))
    assert (is_new, same.next_at, same.args, same.queue) == (False, row.next_at, [1], None)
    changed, _ = Schedules(app).put("x", "tock", every(60))
    assert (changed.cron, changed.seconds, changed.task) == (None, 60, "tock")
    Schedules(app).remove("x")
    with pytest.raises(ScheduleNotFoundError, match="no schedule x"):
        Schedules(app).get("x")


def test_what_cannot_be_stored_is_refused(app: App) -> None:
    schedules = Schedules(app)
    for name, task, schedule in (("a b", "tick", YEARLY), ("x", "t t", YEARLY), ("x", "tick", cron("no"))):
        with pytest.raises(ArgumentError):
            schedules.put(name, task, schedule)
    with pytest.raises(ArgumentError, match="tock"):
        schedules.put("x", "tock", every(5, args=[1]))
    with pytest.raises(StaticScheduleError):
        schedules.put("task:tick", "tick", YEARLY)
    assert schedules.page() == []


def test_a_static_schedule_is_not_removed_by_hand(make: Callable[..., App]) -> None:
    app = make(schedule=YEARLY)
    Firing(app).sync()
    with pytest.raises(StaticScheduleError, match="declared on its task"):
        Schedules(app).remove("task:tick")
    for act in (Schedules(app).remove, Schedules(app).pause, Schedules(app).resume, Schedules(app).run):
        with pytest.raises(ScheduleNotFoundError):
            act("nothing")


def test_run_now_makes_a_job_and_leaves_the_slots(app: App, db: Any) -> None:
    before = put(app, schedule=cron("0 0 1 1 *", args=[7]))
    Schedules(app).pause("x")
    job_id = Schedules(app).run("x")
    assert app.job(job_id).refresh().args == [7]
    after = Schedules(app).get("x")
    assert (after.last_job_id, after.next_at, after.fired) == (job_id, before.next_at, 0)
    assert after.last_at is not None
    assert jobs_of(db)[0][1] == {"schedule": "x"}


def test_run_now_says_when_a_guardrail_refuses(make: Callable[..., App], db: Any) -> None:
    app = make(Refusing("tick"))
    put(app)
    with pytest.raises(JobRejected):
        Schedules(app).run("x")
    assert jobs_of(db) == []


def test_the_list_goes_on_behind_a_name(app: App) -> None:
    for name in ("a", "b", "c"):
        put(app, name)
    assert [row.name for row in Schedules(app).page(after="a", most=1)] == ["b"]


def test_every_statement_prepares(app: App, db: Any) -> None:
    queries = [value for value in vars(statements).values() if type(value).__name__ == "Query"]
    assert len(queries) == 15
    for nth, query in enumerate(queries):
        parameters: list[str] = []
        text = query.text
        for word in sorted({part.split(")s")[0] for part in text.split("%(")[1:]}):
            parameters.append(word)
            text = text.replace(f"%({word})s", f"${len(parameters)}")
        db.execute(f"prepare q{nth} as {text}")


def test_arguments_of_a_static_schedule_are_stored_as_those_of_any_job(make: Callable[..., App], db: Any) -> None:
    app = make(schedule=every(60, args=[date(2026, 6, 1), {"n": Decimal("1.50")}]))
    Firing(app).sync()
    assert Schedules(app).get("task:tick").args == ["2026-06-01", {"n": "1.50"}]


def test_the_plugin_says_what_it_brings(app: App) -> None:
    info = next(info for info in app.plugins if info.name == "cron")
    assert info.state == "on"
    assert {"pgflow_lifespan", "pgflow_maintenance", "pgflow_migrations", "pgflow_task_options"} <= set(info.hooks)
    assert Cron().pgflow_lifespan(app, "admin") is None
    [check] = [check for check in app.hooks.health(app) if check.name == "schedules"]
    assert check.ok
