"""The worker's rules whose breach no other test would notice: what it takes, starts, holds and promises."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import psycopg
import pytest

from moves import hasten
from pgflow import App, DatabaseUnavailableError
from pgflow.store import claims
from pgflow.worker import claimer
from workers import until, until_final, work, working

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.anyio
Db = psycopg.Connection[Any]
QUICK: dict[str, Any] = {
    "poll_interval_ms": 100, "reap_interval_ms": 100, "dataset_bucket": "none", "lease_seconds": 2,
    "shutdown_grace_seconds": 5,
}  # fmt: skip


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    """An app on the test's database, impatient in all it does."""
    app = App("tests", dsn=migrated_url, **QUICK)
    yield app
    app.close()


@pytest.mark.anyio
async def test_a_claim_whose_answer_is_lost_is_taken_up_and_nothing_is_called_lost(
    app: App, db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    @app.task
    async def quick() -> None:
        await anyio.sleep(0)

    jobs = await quick.aenqueue_many([((), {})] * 5)
    arun = app.db.arun
    lost: list[str] = []

    async def lose_one(statement: Any) -> Any:
        answer = await arun(statement)
        if statement.query is claims.CLAIM and answer.jobs and not lost:
            lost.extend(job.job_id for job in answer.jobs)
            raise DatabaseUnavailableError("the line broke behind the commit", in_doubt=True)
        return answer

    monkeypatch.setattr(app.db, "arun", lose_one)
    await work(app)
    assert sorted(lost) == sorted(job.id for job in jobs)
    assert db.execute("select distinct outcome::text, attempt from pgflow.attempts").fetchall() == [("succeeded", 1)]


@pytest.mark.anyio
async def test_a_worker_stops_what_runs_under_a_lease_that_is_gone(app: App, db: Db) -> None:
    stopped: list[bool] = []

    @app.task
    async def slow() -> None:
        try:
            await anyio.sleep(60)
        finally:
            stopped.append(True)

    await slow.aenqueue()
    async with working(app) as worker:
        await until(lambda: worker.floor.running)
        db.execute("delete from pgflow.leases")
        await until(lambda: stopped, 10)


@pytest.mark.anyio
async def test_a_job_cancelled_before_its_claim_is_not_started(app: App, db: Db) -> None:
    ran: list[int] = []

    @app.task
    async def runs() -> None:
        ran.append(1)

    job = await runs.aenqueue()
    db.execute("insert into pgflow.cancellations (job_id) values (%s)", [job.id])
    await work(app)
    assert ((await job.arefresh()).state, ran) == ("cancelled", [])


async def test_a_batch_of_large_jobs_is_short(app: App, db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claimer, "BATCH_BYTES_MAX", 10_000)
    db.execute("create table batches (jobs integer)")
    db.execute("""
        create function note() returns trigger language plpgsql as
          $$ begin insert into batches values (cardinality(new.job_ids)); return null; end $$;
        create trigger note after insert on pgflow.leases for each row execute function note()""")

    @app.task
    async def large(text: str) -> None:
        await anyio.sleep(0)

    async with working(app):
        # how large its jobs are is learnt from what was claimed before
        await until_final(await large.aenqueue("x" * 2_000))
        await large.aenqueue_many([(("x" * 2_000,), {})] * 40)
        await until(lambda: db.execute("select count(*) from pgflow.attempts").fetchone() == (41,))
    first, *later = [row[0] for row in db.execute("select jobs from batches").fetchall()]
    assert (first, sum(later)) == (1, 40)
    assert max(later) <= 4


async def test_jobs_of_unknown_tasks_are_put_off_longer_each_time_and_nothing_is_spent(app: App, db: Db) -> None:
    job = await app.aenqueue("elsewhere.task")
    waits = "select round(extract(epoch from next_run_at - finished_at))::integer from pgflow.attempts order by attempt"
    async with working(app):
        for times in range(1, 4):
            await until(lambda times=times: len(db.execute(waits).fetchall()) == times)
            hasten(db)
        await until(lambda: len(db.execute(waits).fetchall()) == 4)
    found = [row[0] for row in db.execute("select spent from pgflow.scheduled").fetchall()]
    assert found == [0]
    assert (await job.arefresh()).spent == 0
    assert db.execute(waits + " desc limit 1").fetchone() == (40,)


async def test_a_worker_that_promised_to_poll_finds_what_no_bell_announces(migrated_url: str, db: Db) -> None:
    app = App(
        "tests", dsn=migrated_url, **{**QUICK, "poll_interval_ms": 60_000, "concurrency": claimer.PROMISE_FROM_JOBS}
    )

    @app.task
    async def quick() -> None:
        await anyio.sleep(0)

    try:
        async with working(app):
            promised = "select 1 from pgflow.workers where busy_until > clock_timestamp() + interval '1 s'"
            for _ in range(10):  # a promise is good for two seconds, in which a busy machine may not come to enqueue
                jobs = await quick.aenqueue_many([((), {})] * 2 * claimer.PROMISE_FROM_JOBS)
                await until(lambda: db.execute(promised).fetchone())
                await until_final(jobs[-1])
                with psycopg.connect(migrated_url, autocommit=True) as ear:
                    ear.execute("listen pgflow")
                    late = await quick.aenqueue()
                    rung = list(ear.notifies(timeout=0))
                if not rung:
                    break
            assert (rung, (await until_final(late)).state) == ([], "succeeded")
    finally:
        app.close()
