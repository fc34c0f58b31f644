"""The way in: unique keys as users write them, requests answered once, and what hooks are told of an enqueue."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg
import pytest
import sqlalchemy
from psycopg.conninfo import conninfo_to_dict

from pgflow import App, ArgumentError, JobRejected, hookimpl
from pgflow.errors import KeyConflictError
from pgflow.model import NewJob
from pgflow.testing import captured, drain, inline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow import Enqueue, Job

Db = psycopg.Connection[Any]


class Listener:
    """Notes what is enqueued, and judges it in the way it is told."""

    name = "listener"

    def __init__(self) -> None:
        self.judged: list[list[str]] = []
        self.stored: list[tuple[list[NewJob], bool]] = []
        self.judge: Any = lambda _: None

    @hookimpl
    def pgflow_before_enqueue(self, jobs: list[NewJob]) -> None:
        self.thread = threading.get_ident()
        self.judged.append([job.id for job in jobs])
        self.judge(jobs)

    @hookimpl
    def pgflow_after_enqueue(self, jobs: Sequence[NewJob], enqueue: Enqueue) -> None:
        self.stored.append((list(jobs), enqueue.joined))

    @property
    def told(self) -> list[list[str]]:
        return [[job.id for job in jobs] for jobs, _ in self.stored]


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def app(migrated_url: str, listener: Listener) -> Iterator[App]:
    app = App("shop", dsn=migrated_url, plugins=[listener], dataset_bucket="none")
    app.task(name="charge")(charge)
    app.task(name="fail", max_attempts=1)(fail)
    app.enqueue("charge", [0])  # the clock is learnt, so that ids need no mending
    drain(app)
    app.close()  # what drained it bound the store's threads to asyncio
    listener.judged.clear()
    listener.stored.clear()
    yield app
    app.close()


def charge(order: int) -> None:
    pass


def fail() -> None:
    raise ValueError


def request(app: App, key: str = "r1", order: int = 17, **fields: Any) -> tuple[str, bool]:
    """Enqueue as POST /jobs does where it has an Idempotency-Key."""
    job = NewJob(id=app.door.ids.make(), queue="default", task="charge", args=f"[{order}]", **fields)
    return app.door.put_once(job, key, f"hash of {order}")


def refuse(_: object) -> None:
    raise JobRejected("NO", "not today")


def expire(db: Db) -> None:
    db.execute("update pgflow.unique_keys set expires_at = clock_timestamp() where scope = 'request'")


def stored(db: Db) -> int:
    [(count,)] = db.execute("select count(*) from pgflow.jobs where args::text <> '[0]'").fetchall()
    return int(count)


# unique_key=


def test_a_task_enqueued_again_under_its_key_gives_the_same_job_until_it_has_ended(app: App, db: Db) -> None:
    order = app.tasks["charge"].options(unique_key="order-17")
    job: Job[Any] = order.enqueue(17)
    assert order.enqueue(18) == app.enqueue("charge", [19], unique_key="order-17") == job
    assert stored(db) == 1
    drain(app)
    assert order.enqueue(17) != job


@pytest.mark.anyio
async def test_it_is_so_from_a_coroutine_too(app: App, db: Db) -> None:
    order = app.tasks["charge"].options(unique_key="order-17")
    job: Job[Any] = await order.aenqueue(17)
    assert await order.aenqueue(17) == await app.aenqueue("charge", [17], unique_key="order-17") == job
    assert stored(db) == 1


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_is_so_in_a_callers_transaction(app: App, listener: Listener, migrated_url: str, db: Db) -> None:
    async with await psycopg.AsyncConnection.connect(migrated_url) as conn:
        order = app.tasks["charge"].options(unique_key="order-17", conn=conn)
        job: Job[Any] = await order.aenqueue(17)
        assert await order.aenqueue(17) == job
        await conn.rollback()
    with psycopg.connect(migrated_url) as sync:
        order = app.tasks["charge"].options(unique_key="order-17", conn=sync)
        again: Job[Any] = order.enqueue(17)
        assert order.enqueue(17) == again != job
    assert app.tasks["charge"].options(unique_key="order-17").enqueue(17) == again
    assert stored(db) == 1
    assert [(told, joined) for told, (_, joined) in zip(listener.told, listener.stored, strict=True)] == [
        ([job.id], True), ([again.id], True),
    ]  # fmt: skip


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_it_is_so_on_the_connections_of_other_libraries(app: App, migrated_url: str, db: Db) -> None:
    parts = conninfo_to_dict(migrated_url)
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
    key = "it's 100% :k $1"
    conn = await asyncpg.connect(**{names[key]: value for key, value in parts.items() if key in names})
    async with conn.transaction():
        ids = [(await app.aenqueue("charge", [n], unique_key=key, conn=conn)).id for n in range(3)]
    await conn.close()
    engine = sqlalchemy.create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(migrated_url))
    with engine.begin() as joined:
        ids.append(app.enqueue("charge", [3], unique_key=key, conn=joined).id)
        ids.append(app.enqueue("charge", [4], unique_key="another", conn=joined).id)
        ids.append(app.enqueue("charge", [5], unique_key="another", conn=joined).id)
    engine.dispose()
    assert ids == [ids[0]] * 4 + [ids[4]] * 2
    assert db.execute("select count(*) from pgflow.unique_keys").fetchall() == [(2,)]


@pytest.mark.parametrize("key", ["", "x" * 256, "a\0b", "\ud800", 17, b"k"])
def test_what_is_no_key_is_refused(app: App, key: Any) -> None:
    with pytest.raises(ArgumentError, match=r"unique_key .* must be text of 1 to 255 characters"):
        app.tasks["charge"].options(unique_key=key)


def test_one_key_for_many_jobs_is_refused_and_none_is_stored(app: App, db: Db) -> None:
    order = app.tasks["charge"].options(unique_key="k")
    refusal = "unique_key 'k' is of one job at a time"
    with pytest.raises(ArgumentError, match=refusal):
        order.enqueue_many([((1,), {}), ((2,), {})])
    with captured(app), pytest.raises(ArgumentError, match=refusal):
        order.enqueue_many([((1,), {}), ((2,), {})])
    assert len(order.enqueue_many([((1,), {})])) == 1
    assert stored(db) == 1


def test_other_spellings_lead_to_the_word(app: App) -> None:
    task: Any = app.tasks["charge"]
    with pytest.raises(ArgumentError, match="use unique_key="):
        task.options(idempotency_key="k")
    with pytest.raises(ArgumentError, match=r"use task\.options\(unique_key=…\)"):
        task.apply_async((1,), unique_key="k")


# Requests


def test_a_request_repeated_gives_the_job_it_gave_before_and_is_judged_once(
    app: App, listener: Listener, db: Db
) -> None:
    job_id, is_new = request(app)
    drain(app)
    assert is_new
    listener.judge = refuse
    assert request(app) == (job_id, False)
    assert len(listener.judged) == 1
    assert listener.told == [[job_id]]
    assert stored(db) == 1


def test_the_key_of_another_request_is_a_conflict(app: App, db: Db) -> None:
    request(app)
    with pytest.raises(KeyConflictError, match="Idempotency-Key 'r1' was used for another request") as caught:
        request(app, order=18)
    assert caught.value.key == "r1"
    assert request(app, "r2", order=18)[1]
    assert stored(db) == 2


def test_a_key_is_kept_for_a_day_and_then_taken_over(app: App, db: Db) -> None:
    first, _ = request(app)
    left = "select round(extract(epoch from expires_at - clock_timestamp()) / 360)::integer from pgflow.unique_keys"
    assert db.execute(left).fetchall() == [(240,)]
    expire(db)
    second, is_new = request(app, order=18)
    assert is_new
    assert first != second
    assert request(app, order=18) == (second, False)
    assert db.execute(left).fetchall() == [(240,)]


def test_a_rejected_request_leaves_its_key_free_and_its_decision_on_record(
    app: App, listener: Listener, db: Db
) -> None:
    listener.judge = refuse
    with pytest.raises(JobRejected):
        request(app)
    assert db.execute("select reason_code from pgflow.decisions").fetchall() == [("NO",)]
    listener.judge = lambda _: None
    assert request(app)[1]
    assert stored(db) == 1


def test_a_request_whose_job_cannot_be_stored_leaves_its_key_free(app: App, db: Db) -> None:
    db.execute("alter table pgflow.jobs add check (priority < 100)")
    with pytest.raises(psycopg.errors.CheckViolation):
        request(app, priority=100)
    assert request(app)[1]


def test_requests_of_one_key_at_once_store_one_job(app: App, db: Db) -> None:
    start = threading.Barrier(4)

    def race(_: int) -> tuple[str, bool]:
        start.wait(10)
        return request(app)

    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(race, range(4)))
    assert len({job_id for job_id, _ in answers}) == 1
    assert sorted(is_new for _, is_new in answers) == [False, False, False, True]
    assert stored(db) == 1


def test_a_request_for_a_unique_key_that_is_held_answers_with_the_holder_ever_after(
    app: App, listener: Listener, db: Db
) -> None:
    holder = app.tasks["charge"].options(unique_key="order-17").enqueue(17).id
    assert request(app, unique_key="order-17") == (holder, True)
    drain(app)
    assert request(app, unique_key="order-17") == (holder, False)
    assert listener.told == [[holder]]
    assert stored(db) == 1


@pytest.mark.parametrize("key", ["", "x" * 256, "a\0b"])
def test_what_is_no_key_of_a_request_is_refused(app: App, key: str) -> None:
    with pytest.raises(ArgumentError, match=r"Idempotency-Key .* must be text"):
        request(app, key)


# Hooks


def test_what_a_hook_puts_in_a_jobs_place_is_stored_and_told(app: App, listener: Listener, db: Db) -> None:
    def one_key_for_all(jobs: list[NewJob]) -> None:
        jobs[:] = [replace(job, queue="other", unique_key="theirs") for job in jobs]

    listener.judge = one_key_for_all
    first, second = app.tasks["charge"].enqueue_many([((1,), {}), ((2,), {})])
    assert first == second
    assert listener.told == [[first.id]]
    assert listener.stored[0][0][0].queue == "other"
    assert db.execute("select queue from pgflow.jobs where args::text = '[1]'").fetchall() == [("other",)]


def test_after_an_enqueue_that_stored_nothing_no_hook_is_told(app: App, listener: Listener) -> None:
    order = app.tasks["charge"].options(unique_key="k")
    first = order.enqueue(1)
    order.enqueue(1)
    assert (listener.told, len(listener.judged)) == ([[first.id]], 2)


def test_hooks_are_told_the_ids_that_the_store_gave(app: App, listener: Listener) -> None:
    app.door.ids.offset_seconds = 86_400.0
    job = app.tasks["charge"].enqueue(1)
    assert listener.told == [[job.id]]
    assert listener.judged[0] != [job.id]


@pytest.mark.anyio
async def test_a_coroutine_is_not_held_up_by_hooks_that_wait(app: App, listener: Listener, migrated_url: str) -> None:
    await app.tasks["charge"].aenqueue(1)
    assert listener.thread != threading.get_ident()
    with psycopg.connect(migrated_url) as conn, pytest.raises(ArgumentError, match="use enqueue"):
        await app.tasks["charge"].options(conn=conn).aenqueue(1)
    assert listener.thread != threading.get_ident()
    listener.judge = refuse
    with pytest.raises(JobRejected):
        await app.tasks["charge"].aenqueue(1)


def test_replays_are_judged_and_told_and_carry_no_key(app: App, listener: Listener, db: Db) -> None:
    dead = [app.tasks["fail"].options(unique_key=f"k{n}").enqueue().id for n in range(2)]
    drain(app)
    listener.stored.clear()
    listener.judge = lambda jobs: jobs.__setitem__(0, replace(jobs[0], unique_key="theirs"))
    replayed = app.replay(dead[0])
    new_job = NewJob(id=app.door.ids.make(), queue="default", task="fail", replay_of=dead[1])
    pairs = app.door.replay_many([new_job, replace(new_job, id=app.door.ids.make(), replay_of=dead[0])])
    assert list(pairs) == [dead[1]]
    assert listener.told == [[replayed.id], [pairs[dead[1]]]]
    assert db.execute("select count(*) from pgflow.unique_keys").fetchall() == [(0,)]


# Testing help


def test_what_is_captured_under_a_key_is_captured_once(app: App) -> None:
    order = app.tasks["charge"].options(unique_key="k")
    with captured(app) as sent:
        assert order.enqueue(1) == order.enqueue(2)
        app.tasks["charge"].enqueue(3)
    assert [job.args for job in sent] == [(1,), (3,)]
    assert sent[0].options["unique_key"] == "k"
    with captured(app, store=True) as sent:
        assert order.enqueue(1) == order.enqueue(2)
    assert [job.args for job in sent] == [(1,)]


def test_an_inline_job_holds_its_key_until_it_has_ended(app: App) -> None:
    later = app.tasks["charge"].options(unique_key="k", delay=60)
    with inline(app, clock=datetime(2026, 5, 1, tzinfo=UTC)) as line:
        job: Job[Any] = later.enqueue(1)
        assert later.enqueue(2) == job
        assert len(line.jobs) == 1
        line.advance(60)
        assert later.enqueue(3) != job
