"""Minutes: kept or not, a window holds what the stats held, to the last attempt and the last class."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from moves import claim, ended, failed, finish, put
from pgflow import App, WorkerInfo
from pgflow.admin import Maintenance
from pgflow.plugins.metrics import Metrics, minutes
from pgflow.store import turns
from pgflow.store.admin import act, stats

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

    from pgflow.store.pool import Pool

WORKER = WorkerInfo("w1", "host", 1, "asyncio", ("default",), ())
HOUR = 3_600
SPREAD = """
insert into pgflow.stats
select date_bin('10 s', clock_timestamp() - ago * interval '1 s', '2000-01-01'), queue, task, worker, outcome, n,
  n * 0.2, n * run, pgflow.histogram(array_fill(0.2::double precision, array[n])),
  pgflow.histogram(array_fill(run, array[n]))
from (
  select ago, 'q' || ago %% 3 as queue, 't' || ago %% 7 as task, worker, outcome::pgflow.outcome as outcome,
    1 + ago %% 5 as n, 0.01 * (1 + ago %% 11)::double precision as run
  from generate_series(%(first)s::integer, %(last)s::integer, 130) as ago,
    unnest('{w1,w2}'::text[]) as worker, unnest('{succeeded,failed,cancelled}'::text[]) as outcome
) as made
"""


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    app = App("tests", dsn=migrated_url, plugins=[Metrics()], dataset_bucket="none")
    yield app
    app.close()


def keep_all(pool: Pool) -> int:
    """Keep what can be kept; gives in how many goes."""
    goes = 1
    while pool.together(minutes.keep):
        goes += 1
    return goes


def kept(db: psycopg.Connection[Any], queue: str = "*") -> int:
    row = db.execute("select count(*) from pgflow.stats_minutes where queue = %s", [queue]).fetchone()
    assert row
    return int(row[0])


def in_both(one: stats.Series, other: stats.Series) -> list[tuple[stats.Point, stats.Point]]:
    """The points of two series that are over, side by side."""
    times = {point.at: point for point in one.points[:-1]}
    return [(times[point.at], point) for point in other.points[:-1] if point.at in times]


@pytest.mark.parametrize("step", [60, 420, 7_200])
@pytest.mark.parametrize("queue", [None, "q1", "none"])
def test_a_window_is_the_same_kept_or_not(
    pool: Pool, db: psycopg.Connection[Any], step: int, queue: str | None
) -> None:
    db.execute(SPREAD, {"first": 0, "last": 5 * HOUR})
    window = 6 * HOUR
    raw = pool.run(stats.series(window, step, queue))
    before = pool.together(lambda run: minutes.series(run, window, step, queue))
    assert keep_all(pool) > 1
    assert kept(db) > 100
    after = pool.together(lambda run: minutes.series(run, window, step, queue))
    for found in (before, after):
        pairs = in_both(raw, found)
        assert len(pairs) >= window // step - 2
        assert [pair for pair in pairs if pair[0] != pair[1]] == []
    assert (sum(point.jobs for point in after.points) > 0) == (queue != "none")


def test_what_is_kept_is_read_without_the_stats_it_came_from(pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute(SPREAD, {"first": HOUR, "last": 3 * HOUR})
    keep_all(pool)
    before = pool.together(lambda run: minutes.series(run, 4 * HOUR, 60))
    db.execute("delete from pgflow.stats where bucket > (select min(bucket) from pgflow.stats)")
    after = pool.together(lambda run: minutes.series(run, 4 * HOUR, 60))
    assert len(in_both(before, after)) > 200
    assert [pair for pair in in_both(before, after) if pair[0] != pair[1]] == []
    assert sum(point.jobs for point in after.points) > 0


def test_nothing_kept_outlives_a_reset(app: App, pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute(SPREAD, {"first": 120, "last": 3 * HOUR})
    keep_all(pool)
    pool.run(act.reset())
    assert sum(p.jobs for p in pool.together(lambda run: minutes.series(run, 4 * HOUR, 60)).points) == 0
    put(pool, 3)
    finish(pool, [ended(job) for job in claim(pool)])
    assert sum(p.jobs for p in pool.together(lambda run: minutes.series(run, 4 * HOUR, 60)).points) == 3
    assert pool.run(turns.take("maintenance", WORKER.id, 60))
    app.hooks.maintenance(Maintenance(app, WORKER, pool))
    assert app.hooks.errors == {}
    assert kept(db) <= 1
    assert sum(p.jobs for p in pool.together(lambda run: minutes.series(run, 4 * HOUR, 60)).points) == 3


def test_a_pause_of_hours_does_not_stop_it(pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute(SPREAD, {"first": 20 * HOUR, "last": 20 * HOUR + 600})
    keep_all(pool)
    first = kept(db)
    db.execute(SPREAD, {"first": HOUR, "last": HOUR + 600})
    keep_all(pool)
    assert kept(db) >= first + 4


def test_the_minute_under_way_is_not_kept(pool: Pool, db: psycopg.Connection[Any]) -> None:
    assert keep_all(pool) == 1
    put(pool, 3)
    finish(pool, [ended(job) for job in claim(pool)])
    keep_all(pool)
    newest = pool.run(minutes.newest())
    row = db.execute("select max(bucket) from pgflow.stats").fetchone()
    assert row
    assert newest.newest is None or newest.newest + timedelta(minutes=1) <= newest.now
    found = pool.together(lambda run: minutes.series(run, HOUR, 60))
    assert sum(point.succeeded for point in found.points) == 3


def test_what_comes_late_is_counted_in_its_minute(pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute(SPREAD, {"first": 120, "last": 120})
    keep_all(pool)
    before = pool.together(lambda run: minutes.series(run, HOUR, 60))
    db.execute("update pgflow.stats set count = count + 10 where outcome = 'succeeded' and worker_id = 'w1'")
    keep_all(pool)
    after = pool.together(lambda run: minutes.series(run, HOUR, 60))
    assert sum(p.succeeded for p in after.points) == sum(p.succeeded for p in before.points) + 10


def test_maintenance_keeps_minutes_and_forgets_those_of_the_day_before_yesterday(
    app: App, pool: Pool, db: psycopg.Connection[Any]
) -> None:
    put(pool, 4)
    jobs = claim(pool)
    finish(pool, [*map(ended, jobs[:3]), failed(jobs[3])])
    db.execute("update pgflow.stats set bucket = bucket - interval '2 h'")
    assert pool.run(turns.take("maintenance", WORKER.id, 60))
    app.hooks.maintenance(Maintenance(app, WORKER, pool))
    assert app.hooks.errors == {}
    assert (kept(db), kept(db, "default")) == (1, 1)
    db.execute("update pgflow.stats_minutes set minute = minute - interval '2 d'")
    db.execute("delete from pgflow.stats")
    app.hooks.maintenance(Maintenance(app, WORKER, pool))
    assert kept(db) == 0
