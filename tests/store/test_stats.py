"""The rollup: a history made by hand is read to the last attempt, however it is cut and condensed."""

from __future__ import annotations

from datetime import UTC, timedelta
from typing import TYPE_CHECKING, Any

import moving
import pytest

from pgflow.store.admin import act, stats
from pgflow.store.admin.histogram import BOUNDS, percentiles

if TYPE_CHECKING:
    from datetime import datetime

    import psycopg

    from pgflow.store.admin.stats import Point, QueueMinute, Series
    from pgflow.store.pool import Pool

HOUR = 3_600


def history(
    db: psycopg.Connection[Any], ago: float, outcome: str, count: int, *, run: float = 0.1, wait: float = 0.2,
    queue: str = "q", worker: str = "w1", task: str = "t",
) -> datetime:  # fmt: skip
    """Put attempts alike into the bucket of so many seconds ago, and give its time."""
    given = {
        "ago": ago, "queue": queue, "task": task, "worker": worker, "outcome": outcome, "count": count, "run": run,
        "wait": wait,
    }  # fmt: skip
    row: tuple[datetime] | None = db.execute(
        "insert into pgflow.stats select date_bin('10 s', clock_timestamp() - %(ago)s * interval '1 s', '2000-01-01'),"
        " %(queue)s, %(task)s, %(worker)s, %(outcome)s, %(count)s, %(count)s * %(wait)s, %(count)s * %(run)s,"
        " pgflow.histogram(array_fill(%(wait)s::double precision, array[%(count)s::integer])),"
        " pgflow.histogram(array_fill(%(run)s::double precision, array[%(count)s::integer])) returning bucket",
        given,
    ).fetchone()
    assert row
    return row[0]


def minute(pool: Pool) -> dict[str, QueueMinute]:
    return {row.queue: row for row in pool.together(stats.last_minute)}


def series(pool: Pool, window: int, step: int, queue: str | None = None) -> Series:
    return pool.run(stats.series(window, step, queue))


def total(points: list[Point], field: str) -> int:
    return sum(getattr(point, field) for point in points)


def test_the_classes_begin_where_the_database_says(db: psycopg.Connection[Any]) -> None:
    row = db.execute("select pgflow.histogram_bounds()").fetchone()
    assert row
    assert list(BOUNDS) == pytest.approx(row[0], rel=1e-12)


def test_percentiles_are_interpolated_within_a_class() -> None:
    classes = [0] * 48
    classes[21] = 100
    low, high = BOUNDS[20], BOUNDS[21]
    assert percentiles(classes, (0.5, 0.25)) == pytest.approx([(low + high) / 2, low + (high - low) / 4])
    classes[31] = 1
    assert percentiles(classes, (1.0,)) == pytest.approx([BOUNDS[31]])


def test_percentiles_hold_at_both_ends_and_of_nothing() -> None:
    assert percentiles([10, *[0] * 47], (0.5,)) == pytest.approx([BOUNDS[0] / 2])
    assert percentiles([*[0] * 47, 3], (0.5, 0.99)) == [BOUNDS[-1], BOUNDS[-1]]
    assert percentiles([0] * 48, (0.5,)) == [None]
    assert percentiles((), (0.5, 0.9)) == [None, None]


def test_the_last_minute_is_what_attempts_made_it(pool: Pool, db: psycopg.Connection[Any]) -> None:
    history(db, 0, "succeeded", 60, run=0.1)
    history(db, 40, "succeeded", 20, run=0.1, worker="w2")
    history(db, 0, "failed", 10, run=0.4)
    history(db, 0, "lost", 4, run=0)
    history(db, 0, "dead", 6, run=0.4)
    history(db, 0, "cancelled", 3, run=50)
    history(db, 0, "released", 7, run=50)
    history(db, 70, "succeeded", 1_000)
    history(db, 0, "succeeded", 1, queue="other")
    rows = minute(pool)
    row = rows["q"]
    assert set(rows) == {"other", "q"}
    assert (row.succeeded, row.failed) == (80, 20)
    assert (row.success_rate, row.retry_rate) == (0.8, 0.14)
    assert 50 < row.span_seconds <= 60
    assert row.jobs_per_sec == pytest.approx((80 + 6 + 3) / row.span_seconds, abs=0.001)
    assert row.mean_latency_ms == pytest.approx((80 * 100 + 16 * 400) / 96, abs=0.01)
    assert row.p50_latency_ms == pytest.approx(100, rel=0.42)
    assert row.p95_latency_ms == pytest.approx(400, rel=0.42)
    assert row.at.tzinfo is not None


def test_a_queue_where_nothing_ended_says_so(pool: Pool) -> None:
    moving.enqueue(pool, 3)
    moving.claim(pool)
    pool.run(act.pause("idle", "a rest"))
    rows = minute(pool)
    row = rows["q"]
    assert (row.runnable_queue_depth, row.running, row.jobs_per_sec, row.succeeded) == (2, 1, 0.0, 0)
    nothing = (row.success_rate, row.retry_rate, row.mean_latency_ms, row.p50_latency_ms, row.p99_latency_ms)
    assert set(nothing) == {None}
    assert row.oldest_wait_ms is not None
    assert 0 <= row.oldest_wait_ms < 60_000
    assert rows["idle"].paused
    assert rows["idle"].oldest_wait_ms is None


def test_an_empty_database_has_no_queue_and_a_series_of_zeros(pool: Pool) -> None:
    assert minute(pool) == {}
    found = series(pool, 60, 10)
    assert [(point.jobs, point.run_p50_ms, point.wait_p99_ms) for point in found.points] == [(0, None, None)] * 6


def test_what_the_store_does_is_in_the_last_minute(pool: Pool) -> None:
    moving.succeed(pool)
    moving.succeed(pool)
    moving.fail(pool)
    moving.die(pool)
    waiting = moving.one(pool)
    pool.together(lambda run: act.cancel(run, waiting))
    row = minute(pool)["q"]
    assert (row.succeeded, row.failed, row.scheduled) == (2, 2, 1)
    assert (row.success_rate, row.retry_rate) == (0.5, 0.25)
    assert row.mean_latency_ms == pytest.approx(0.1, rel=0.5)
    points = series(pool, 60, 10).points
    assert [total(points, field) for field in ("succeeded", "failed", "retried", "dead", "jobs")] == [2, 2, 1, 1, 4]


def test_a_series_has_every_step_in_order_and_the_last_is_under_way(pool: Pool, db: psycopg.Connection[Any]) -> None:
    new = history(db, 0, "succeeded", 5, run=0.1, wait=2.0)
    old = new - timedelta(seconds=20)
    for outcome, count in (("failed", 2), ("dead", 1), ("lost", 1)):
        history(db, 300, outcome, count)
    db.execute("update pgflow.stats set bucket = %s where outcome <> 'succeeded'", [old])
    history(db, 90, "succeeded", 50, worker="before")
    found = series(pool, 60, 10)
    points = found.points
    assert [point.at - points[0].at for point in points] == [timedelta(seconds=10 * n) for n in range(6)]
    assert [point.seconds for point in points[:5]] == [10] * 5
    assert 0 <= points[5].seconds <= 10
    assert points[5].at <= found.at
    by_time = {point.at: point for point in points}
    assert {at: point.jobs for at, point in by_time.items() if point.jobs} == {old: 1, new: 5}
    assert (by_time[old].failed, by_time[old].retried, by_time[old].dead) == (4, 3, 1)
    assert by_time[old].jobs_per_sec == 0.1
    assert by_time[new].run_p50_ms == pytest.approx(100, rel=0.42)
    assert by_time[new].wait_p50_ms == pytest.approx(2_000, rel=0.42)


def test_a_series_of_one_queue_leaves_the_others_out(pool: Pool, db: psycopg.Connection[Any]) -> None:
    history(db, 0, "succeeded", 5)
    history(db, 0, "succeeded", 7, queue="other")
    jobs = {queue: total(series(pool, 120, 60, queue).points, "jobs") for queue in (None, "q", "other", "none")}
    assert jobs == {None: 12, "q": 5, "other": 7, "none": 0}


def test_a_series_is_right_in_a_time_zone_with_a_summer_time(
    migrated_url: str, pool_of: Any, db: psycopg.Connection[Any]
) -> None:
    db.execute("select set_config('timezone', 'Europe/Paris', false)")
    history(db, 23 * HOUR, "succeeded", 3)
    history(db, 6 * HOUR, "succeeded", 5)
    abroad = pool_of(f"{migrated_url} options='-c timezone=Europe/Paris'")
    assert total(series(abroad, 14 * HOUR, 7 * HOUR).points, "jobs") == 5
    points = series(abroad, 24 * HOUR, 60).points
    assert (len(points), total(points, "jobs")) == (1_440, 8)
    assert {point.at.tzinfo for point in points} == {UTC}


@pytest.mark.parametrize(("window", "step"), [(60, 15), (60, 0), (60, -10), (24 * HOUR, 10), (14_410, 10), (60, 5)])
def test_a_step_that_would_cut_buckets_or_make_too_many_points_is_refused(window: int, step: int) -> None:
    with pytest.raises(ValueError, match="multiple of 10 s"):
        stats.series(window, step)


def test_the_largest_series_is_a_day_of_minutes(pool: Pool) -> None:
    assert len(series(pool, 24 * HOUR, 60).points) == stats.MOST_POINTS


def test_workers_count_into_the_bucket_of_now(pool: Pool, db: psycopg.Connection[Any]) -> None:
    for _ in range(3):
        moving.succeed(pool)
    row = db.execute("select min(bucket), max(bucket) from pgflow.stats").fetchone()
    assert row
    points = series(pool, 60, 10).points
    assert total([point for point in points if row[0] <= point.at <= row[1]], "succeeded") == 3
