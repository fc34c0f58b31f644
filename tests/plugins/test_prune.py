"""Prune: old buckets and records go when it is time, no job that is still to run, and nobody waits for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from aging import age
from moves import claim, count, dead, ended, finish, put, states
from pgflow import App, SettingsError, WorkerInfo, hookimpl
from pgflow.admin import Bucket, Maintenance, StoreError, act, buckets, look
from pgflow.hooks import Plugins
from pgflow.hooks.calls import Hooks
from pgflow.plugins.prune import Prune
from pgflow.plugins.prune.rounds import Ages, tidy
from pgflow.worker.crew import Crew
from pgflow.worker.maintenance import maintain
from workers import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import psycopg

    from pgflow.store.pool import Pool

NOON = datetime(2031, 5, 20, 12, tzinfo=UTC)
WEEK = Ages(archive=7, drop=7, letters=90, stats=30, decisions=30, workers=1)
MONTH = Ages(archive=7, drop=30, letters=90, stats=30, decisions=30, workers=1)
GAP_SECONDS = 1.0


@pytest.fixture
def old(pool: Pool, db: psycopg.Connection[Any]) -> str:
    """The name of a bucket of nine days ago, with those until today; what is aged by nine days goes into it."""
    for bucket in pool.run(buckets.listing()):
        if bucket.starts_at is not None:
            buckets.remove(pool, bucket.name)
    row = db.execute("select clock_timestamp()").fetchone()
    assert row is not None
    buckets.ensure(pool, "day", row[0] - timedelta(days=9))
    buckets.ensure(pool, "day", row[0])
    return buckets.name_of("day", row[0] - timedelta(days=9))


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    app = App("tests", dsn=migrated_url, plugins=[Prune()], poll_interval_ms=50, dataset_bucket="day")
    yield app
    app.close()


def info(name: str = "w1") -> WorkerInfo:
    return WorkerInfo(name, "here", os.getpid(), "asyncio", (), ())


def take_turn(db: psycopg.Connection[Any], name: str = "w1", seconds: int = 600) -> None:
    db.execute(
        "insert into pgflow.turns values ('maintenance', %s, now() + make_interval(secs => %s))"
        " on conflict (name) do update set taken_by = excluded.taken_by, taken_until = excluded.taken_until",
        [name, seconds],
    )


def run_of(pool: Pool, db: psycopg.Connection[Any]) -> Maintenance:
    take_turn(db)
    return Maintenance(None, info(), pool)


def names(pool: Pool) -> list[str]:
    return [bucket.name for bucket in pool.run(buckets.listing())]


def bucket(name: str) -> Bucket:
    held = buckets.span(name) or (None, None)
    return Bucket(name, *held, 0, 0)


def test_a_bucket_goes_when_the_whole_of_it_is_old() -> None:
    in_use = [bucket(name) for name in ("20310512", "20310513", "20310514", "default")]
    assert WEEK.buckets(NOON, in_use, []) == [("20310512", "drop", True)]
    assert WEEK.buckets(datetime(2031, 5, 21, tzinfo=UTC), in_use, []) == [
        ("20310512", "drop", True), ("20310513", "drop", True),
    ]  # fmt: skip


def test_a_bucket_is_archived_first_where_history_is_kept_longer() -> None:
    in_use = [bucket(name) for name in ("20310401", "20310512", "20310513_23")]
    assert MONTH.buckets(NOON, in_use, ["20310419", "20310420", "odd"]) == [
        ("20310419", "drop", False), ("20310401", "drop", True), ("20310512", "archive", True),
    ]  # fmt: skip
    assert Ages(30, 7, 90, 30, 30, 1).buckets(NOON, in_use, []) == [("20310401", "drop", True)]
    assert Ages(0, 0, 90, 30, 30, 1).buckets(NOON, [bucket("20310519"), bucket("20310520")], []) == [
        ("20310519", "drop", True)
    ]


@pytest.mark.anyio
async def test_a_job_waiting_in_an_old_bucket_survives_and_runs(
    app: App, pool: Pool, db: psycopg.Connection[Any], old: str
) -> None:
    ran: list[int] = []

    @app.task
    async def note(number: int) -> None:
        ran.append(number)

    for number in range(3):
        note.enqueue(number)
    finish(pool, [ended(claim(pool, 1)[0])])
    age(db, 9)
    report = tidy(run_of(pool, db), WEEK)
    assert (report.dropped, report.put_back) == ([old, *report.dropped[1:]], 2)
    assert old not in names(pool)
    assert count(db, "jobs_default") == count(db, "jobs") == 2
    await work(app)
    assert sorted(ran) == [1, 2]


def test_an_old_bucket_is_archived_and_dropped_later(pool: Pool, db: psycopg.Connection[Any], old: str) -> None:
    put(pool)
    finish(pool, [ended(claim(pool)[0])])
    age(db, 9)
    run = run_of(pool, db)
    report = tidy(run, MONTH)
    assert report.archived[0] == old
    assert report.dropped == []
    assert run.archived() == report.archived
    assert not {old} & set(names(pool))
    assert count(db, f"jobs_{old}") == count(db, f"attempts_{old}") == 1
    assert tidy(run, MONTH).archived == []
    assert tidy(run, WEEK).dropped == report.archived
    assert run.archived() == []


def test_a_bucket_that_was_detached_by_hand_is_dropped_without_losing_a_job(
    pool: Pool, db: psycopg.Connection[Any], old: str
) -> None:
    put(pool, 2)
    age(db, 9)
    db.execute(f"alter table pgflow.jobs detach partition pgflow.jobs_{old}")
    db.execute(f"alter table pgflow.attempts detach partition pgflow.attempts_{old}")
    report = tidy(run_of(pool, db), WEEK)
    assert old in report.dropped
    assert report.put_back == 2
    assert len(claim(pool)) == 2


def test_open_dead_letters_are_kept_until_their_own_time(pool: Pool, db: psycopg.Connection[Any], old: str) -> None:
    put(pool, 2)
    finish(pool, [dead(job) for job in claim(pool)])
    age(db, 9)
    kept, closed = sorted(states(db))
    pool.together(lambda run: act.discard(run, closed))
    run = run_of(pool, db)
    report = tidy(run, WEEK)
    assert old in report.dropped
    assert states(db) == {kept: "dead"}
    assert [letter.job_id for letter in pool.run(look.dead_letters())] == [kept]
    age(db, 82)
    report = tidy(run, WEEK)
    assert (report.forgotten["dead_letters"], report.forgotten["default"]) == (1, 1)
    assert count(db, "jobs") == count(db, "attempts") == count(db, "dead_letters") == 0


def test_with_no_buckets_ended_jobs_go_by_rows(pool: Pool, db: psycopg.Connection[Any]) -> None:
    for found in pool.run(buckets.listing()):
        if found.starts_at is not None:
            buckets.remove(pool, found.name)
    put(pool, 1_200)
    finish(pool, [ended(job) for job in claim(pool, 1_100)])
    age(db, 8)
    put(pool, 1, queue="today")
    finish(pool, [ended(job) for job in claim(pool, queue="today")])
    report = tidy(run_of(pool, db), WEEK)
    assert report.forgotten["default"] == 1_100
    assert count(db, "jobs") == 101
    assert count(db, "attempts") == 1


def test_claims_go_on_all_the_while(pool: Pool, db: psycopg.Connection[Any], old: str) -> None:
    put(pool, 3_000, queue="old")
    finish(pool, [ended(job) for job in claim(pool, 2_000, queue="old")])
    age(db, 9)
    put(pool, 100)
    run = run_of(pool, db)
    over = threading.Event()
    slowest, claims, failures = [0.0], [0], []

    def claiming() -> None:
        last = time.monotonic()
        while not over.is_set() or claims[0] < 10:
            try:
                put(pool)
                jobs = claim(pool, 1)
                finish(pool, [ended(job) for job in jobs])
            except StoreError as error:
                failures.append(error)
                return
            now = time.monotonic()
            slowest[0], last = max(slowest[0], now - last), now
            claims[0] += len(jobs)

    thread = threading.Thread(target=claiming)
    thread.start()
    try:
        reports = [tidy(run, WEEK)]
        while reports[-1].busy:
            reports.append(tidy(run, WEEK))
    finally:
        over.set()
        thread.join(timeout=30)
    assert old in [name for report in reports for name in report.dropped]
    assert failures == []
    assert claims[0] >= 10
    assert slowest[0] < GAP_SECONDS
    assert len(claim(pool, 2_000, queue="old")) == 1_000


def test_a_reader_makes_it_give_up_and_the_next_round_does_it(
    pool: Pool, db: psycopg.Connection[Any], old: str
) -> None:
    put(pool, 3)
    age(db, 9)
    run = run_of(pool, db)
    with db.transaction():
        db.execute("select count(*) from pgflow.jobs")
        began = time.monotonic()
        report = tidy(run, WEEK)
        assert time.monotonic() - began < GAP_SECONDS
    assert (report.busy, report.dropped) == ([old], [])
    assert old in names(pool)
    report = tidy(run, WEEK)
    assert (report.busy, report.put_back) == ([], 3)
    assert old not in names(pool)


def test_a_reader_of_an_archived_bucket_stops_no_other(pool: Pool, db: psycopg.Connection[Any], old: str) -> None:
    run = run_of(pool, db)
    second = tidy(run, MONTH).archived[1]
    with db.transaction():
        db.execute(f"select from pgflow.jobs_{old}")
        report = tidy(run, WEEK)
    assert report.busy == [old]
    assert second in report.dropped
    assert run.archived() == [old]


def test_a_bucket_of_which_very_much_would_be_put_back_stays(
    pool: Pool, db: psycopg.Connection[Any], old: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pgflow.plugins.prune import rounds

    monkeypatch.setattr(rounds, "PUT_BACK_AT_MOST", 3)
    put(pool)
    finish(pool, [dead(job) for job in claim(pool)])
    put(pool)
    claim(pool)
    put(pool)
    put(pool, delay=60)
    age(db, 9)
    assert pool.run(buckets.needed(old, 100)) == 4
    report = tidy(run_of(pool, db), WEEK)
    assert report.needed == [old]
    assert old in names(pool)
    monkeypatch.undo()
    assert tidy(run_of(pool, db), WEEK).put_back == 4


def test_a_lost_turn_ends_the_round(pool: Pool, db: psycopg.Connection[Any], old: str) -> None:
    run = run_of(pool, db)
    take_turn(db, "another")
    assert tidy(run, WEEK).dropped == []
    assert old in names(pool)


def test_of_two_workers_at_once_one_prunes(app: App, pool: Pool, old: str) -> None:
    rounds: list[str] = []

    class Counting(Prune):
        @hookimpl
        def pgflow_maintenance(self, run: Any) -> None:
            rounds.append(run.worker.id)
            super().pgflow_maintenance(run)

    plugin = Counting()
    plugin.pgflow_configure(app)
    hooks = Hooks(Plugins([plugin], (), ()))
    start = threading.Barrier(2)
    done: list[bool] = []

    def work_as(name: str) -> None:
        start.wait(10)
        done.append(maintain(Crew(app, hooks, info(name)), pool, 60.0))

    threads = [threading.Thread(target=work_as, args=(name,)) for name in ("w1", "w2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(done) == [False, True]
    assert len(rounds) == 1
    assert old not in names(pool)


def test_how_long_what_is_kept_is_read_from_the_settings(migrated_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_PRUNE_DECISIONS_DAYS", "3")
    monkeypatch.setenv("ARCHIVE_SUCCEEDED_AFTER_DAYS", "5")
    plugin = Prune(stats_days=2)
    plugin.pgflow_configure(App("tests", dsn=migrated_url, dead_letter_days=4, prune_history_after_days=6))
    assert plugin.ages == Ages(archive=5, drop=6, letters=4, stats=2, decisions=3, workers=1)
    monkeypatch.setenv("PGFLOW_PRUNE_STAT_DAYS", "3")
    with pytest.raises(SettingsError, match="did you mean PGFLOW_PRUNE_STATS_DAYS"):
        Prune().pgflow_configure(App("tests", dsn=migrated_url))
    monkeypatch.delenv("PGFLOW_PRUNE_STAT_DAYS")
    with pytest.raises(SettingsError, match="PGFLOW_PRUNE_WORKERS_DAYS"):
        Prune(workers_days=0).pgflow_configure(App("tests", dsn=migrated_url))


@pytest.fixture
def pgflow(migrated_url: str, tmp_path: Any) -> Callable[..., Any]:
    """Run `pgflow prune`, on the test's database; gives its document, or its error."""
    (tmp_path / "mine.py").write_text(
        "from pgflow import App\nfrom pgflow.plugins.prune import Prune\napp = App('mine', plugins=[Prune()])\n"
        "if __name__ == '__main__':\n    import typer\n    cli = typer.Typer()\n    cli.callback()(lambda: None)\n"
        "    Prune().pgflow_cli(cli)\n    cli()\n"
    )

    def run(*words: str, code: int = 0) -> Any:
        environment = {**os.environ, "PGFLOW_APP": "mine:app", "PGFLOW_DATABASE_URL": migrated_url}
        done = subprocess.run(
            [sys.executable, "mine.py", "prune", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return (json.loads(done.stdout) if "--json" in words else done.stdout) if code == 0 else done.stderr

    return run


def test_a_dry_run_changes_nothing_and_says_what_a_round_then_does(
    pgflow: Callable[..., Any], pool: Pool, db: psycopg.Connection[Any], old: str
) -> None:
    put(pool, 3)
    finish(pool, [ended(job) for job in claim(pool, 2)])
    age(db, 9)
    db.execute(
        "insert into pgflow.rates select 'claim', 'q', now() - n * interval '1 h', 1 from generate_series(1, 5) as n"
    )
    before = [names(pool), states(db), count(db, "rates"), count(db, "turns")]
    rehearsed = pgflow("--dry-run", "--json")
    assert rehearsed["dry_run"] is True
    assert rehearsed["forgotten"]["rates"] == 5
    assert [names(pool), states(db), count(db, "rates"), count(db, "turns")] == before
    assert f"would go: 5 rates, bucket {old} dropped" in pgflow("--dry-run")
    done = pgflow("--json")
    assert done == {**rehearsed, "dry_run": False, "put_back": 1}
    assert old not in names(pool)
    assert pgflow() == "gone: nothing\n"


def test_the_command_says_which_worker_is_at_it_and_takes_a_turn_that_rests(
    pgflow: Callable[..., Any], db: psycopg.Connection[Any], old: str
) -> None:
    take_turn(db, "w7")
    assert "w7 is at maintenance: try again soon" in pgflow(code=1)
    take_turn(db, "w7", 50)
    assert old in pgflow()
    row = db.execute("select taken_until <= clock_timestamp() from pgflow.turns").fetchone()
    assert row == (True,)
