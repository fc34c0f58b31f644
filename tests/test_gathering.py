"""Enqueues that come at once share a trip: each gets its own answer, and none waits for who is gone."""

from __future__ import annotations

import asyncio
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import anyio
import psycopg
import pytest

from pgflow import App, DatabaseUnavailableError, JobRejected, hookimpl
from pgflow.gathering import PARCELS_A_TRIP, TRIPS_AT_ONCE, Gathering, Parcel
from pgflow.model import NewJob

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow import Enqueue
    from pgflow.gathering import Answer

Db = psycopg.Connection[Any]
TENANT: ContextVar[str] = ContextVar("tenant", default="nobody")
REFUSE = """
create function refuse() returns trigger language plpgsql as
  $$ begin if new.args::text = '[13]' then raise 'not this one' using errcode = '22000'; end if; return new; end $$;
create trigger refuse before insert on pgflow.jobs for each row execute function refuse()"""


class Judge:
    """A guardrail that refuses 7, and writes the caller's tenant into the task's name of the rest."""

    @hookimpl
    def pgflow_before_enqueue(self, jobs: list[NewJob], enqueue: Enqueue) -> None:
        """Judge."""
        assert not enqueue.joined
        for place, job in enumerate(jobs):
            if job.args == "[7]":
                raise JobRejected("UNLUCKY", "it is seven", job=job)
            jobs[place] = NewJob(id=job.id, queue=job.queue, task=TENANT.get(), args=job.args)


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    app = App("tests", dsn=migrated_url, dataset_bucket="none", db_answer_timeout_secs=5)
    yield app
    app.close()


def new(number: int) -> NewJob:
    return NewJob(id=str(number), queue="default", task="t")


async def put_all(app: App, count: int) -> dict[int, str | BaseException]:
    answers: dict[int, str | BaseException] = {}

    async def put(number: int) -> None:
        TENANT.set(f"tenant-{number}")
        try:
            answers[number] = (await app.aenqueue("t", (number,))).id
        except Exception as error:  # noqa: BLE001 - it is looked at
            answers[number] = error

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(put, number)
    return answers


class Shop:
    """A store that keeps what it is asked, and answers when it is let."""

    def __init__(self) -> None:
        self.trips: list[list[str]] = []
        self.opened = threading.Event()

    def __call__(self, parcels: Sequence[Parcel]) -> list[Answer]:
        ids = [parcel.jobs[0].id for parcel in parcels]
        self.trips.append(ids)
        assert self.opened.wait(10)
        return [[job_id] for job_id in ids]


@pytest.mark.anyio
async def test_what_comes_at_once_is_committed_together_and_each_has_its_id(app: App, db: Db) -> None:
    answers = await put_all(app, 100)
    stored = db.execute("select (args->>0)::int, id::text from pgflow.jobs").fetchall()
    assert dict(stored) == answers
    assert db.execute("select count(*) from pgflow.ready").fetchone() == (100,)
    [(commits,)] = db.execute("select count(distinct xmin::text) from pgflow.jobs").fetchall()
    assert commits < 50


@pytest.mark.anyio
async def test_a_refusal_is_of_its_own_call_and_hooks_judge_in_the_callers_context(app: App, db: Db) -> None:
    app.use(Judge())
    answers = await put_all(app, 30)
    assert isinstance(answers[7], JobRejected)
    assert sum(isinstance(answer, str) for answer in answers.values()) == 29
    wrong = "select count(*) from pgflow.jobs where task <> 'tenant-' || (args->>0)"
    assert db.execute(wrong).fetchone() == (0,)
    assert db.execute("select reason_code from pgflow.decisions").fetchall() == [("UNLUCKY",)]


@pytest.mark.anyio
async def test_what_the_database_refuses_fails_alone(app: App, db: Db) -> None:
    db.execute(REFUSE)
    answers = await put_all(app, 30)
    assert isinstance(answers[13], psycopg.Error)
    assert sum(isinstance(answer, str) for answer in answers.values()) == 29
    assert db.execute("select count(*) from pgflow.ready").fetchone() == (29,)


@pytest.mark.anyio
async def test_where_the_database_is_away_each_hears_of_it() -> None:
    app = App("tests", dsn="postgresql://127.0.0.1:1/nowhere")
    answers = await put_all(app, 10)
    assert all(isinstance(answer, DatabaseUnavailableError) for answer in answers.values())
    assert len({id(answer) for answer in answers.values()}) == 10


@pytest.mark.anyio
async def test_a_call_alone_waits_for_nobody_and_a_trip_has_bounds() -> None:
    shop = Shop()
    gathering = Gathering(shop)
    async with anyio.create_task_group() as group:
        for number in range(PARCELS_A_TRIP + 100):
            group.start_soon(gathering.put, [new(number)])
        with anyio.fail_after(10):
            while len(shop.trips) < TRIPS_AT_ONCE:
                await anyio.sleep(0.001)
        shop.opened.set()
    assert max(map(len, shop.trips)) <= PARCELS_A_TRIP
    gone = [job_id for trip in shop.trips for job_id in trip]
    assert sorted(gone, key=int) == [str(number) for number in range(PARCELS_A_TRIP + 100)]
    assert await gathering.put([new(1)]) == ["1"]
    assert shop.trips[-1] == ["1"]


@pytest.mark.anyio
async def test_cancellation_waits_for_the_commit() -> None:
    shop = Shop()
    gathering = Gathering(shop)
    ids: list[str] = []

    async def put() -> None:
        ids.extend(await gathering.put([new(1)]))

    async with anyio.create_task_group() as group:
        group.start_soon(put)
        with anyio.fail_after(10):
            while not shop.trips:
                await anyio.sleep(0.001)
        group.cancel_scope.cancel()
        shop.opened.set()
    assert ids == ["1"]


@pytest.mark.parametrize("gone", [[0], [1], [0, 1], [0, 1, 2, 3], [5], [2, 3], [0, 3, 5, 7, 9]])
def test_nobody_waits_for_those_whom_asyncio_cancels(gone: list[int]) -> None:
    async def main() -> None:
        shop = Shop()
        gathering = Gathering(shop)
        tasks = [asyncio.create_task(gathering.put([new(number)])) for number in range(4)]
        while len(shop.trips) < TRIPS_AT_ONCE:
            await asyncio.sleep(0.001)
        tasks += [asyncio.create_task(gathering.put([new(number)])) for number in range(4, 10)]
        await asyncio.sleep(0)
        for number in gone:
            tasks[number].cancel()
        await asyncio.sleep(0.01)
        shop.opened.set()
        answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 10)
        for number, answer in enumerate(answers):
            if number in gone:
                assert isinstance(answer, asyncio.CancelledError)
            else:
                assert answer == [str(number)]
        asked = [job_id for trip in shop.trips for job_id in trip]
        assert len(asked) == len(set(asked))
        assert await asyncio.wait_for(gathering.put([new(99)]), 10) == ["99"]
        assert gathering._under_way == 0

    asyncio.run(main())


def test_each_event_loop_gathers_by_itself(app: App, db: Db) -> None:
    def run() -> None:
        for backend in ("asyncio", "trio"):
            anyio.run(put_all, app, 20, backend=backend)

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert db.execute("select count(*) from pgflow.ready").fetchone() == (120,)
