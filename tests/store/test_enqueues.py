"""One job, few and many go by ways of their own, and are stored, timed, rung for and asked for again alike."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.errors import CheckViolation

from aging import age, aged
from moves import count
from pgflow import App
from pgflow.ids import IdMaker
from pgflow.model import NewJob
from pgflow.store import enqueues, points
from pgflow.store import jobs as sql
from pgflow.store.copying import ROWS_A_BLOCK
from pgflow.store.points import Point
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Db = psycopg.Connection[Any]
IDS = IdMaker()
MANY = enqueues.COPIED_FROM_JOBS
PAST, FUTURE = datetime(2020, 2, 2, 2, tzinfo=UTC), datetime(2150, 1, 1, tzinfo=UTC)
OTHER = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"
KINDS: list[dict[str, Any]] = [
    {},
    {"args": '["ü€😀\\\\\\n\\t"]', "kwargs": '{"a":[1,{"b":null}]}'},
    {"kwargs": '{"only":"kwargs"}', "priority": -7, "max_attempts": 1},
    {"queue": "other", "timeout": 2, "keep_result": True, "headers": {"trace": "é", "n": [1, 2]}},
    {"headers": {}, "parent_id": OTHER, "root_id": OTHER, "replay_of": OTHER, "priority": 2**31 - 1},
    {"delay": 3600.5},
    {"delay": -5},
    {"run_at": PAST, "expires_in": 90},
    {"run_at": FUTURE, "expires_at": FUTURE + timedelta(microseconds=1), "timeout": 0.25},
]
ROWS = """
select j.task, j.queue, j.priority, j.max_attempts, j.keep_result, j.timeout, j.args::text, j.kwargs::text,
  j.headers::text, j.parent_id, j.root_id, j.replay_of, j.unique_key,
  case when j.run_at < '2100-01-01' then round(extract(epoch from j.run_at - j.created_at), 3) end,
  case when j.run_at < '2100-01-01' then round(extract(epoch from j.expires_at - j.created_at), 3) end,
  case when j.run_at > '2100-01-01' then array[j.run_at, j.expires_at] end,
  j.created_at between now() - interval '1 min' and now(),
  r.queue, r.rank, r.attempt, r.spent, r.suspect, r.alone, r.run_at = j.run_at,
  s.queue, s.rank, s.attempt, s.spent, s.suspect, s.alone, s.run_at = j.run_at
from pgflow.jobs as j left join pgflow.ready as r on r.job_id = j.id left join pgflow.scheduled as s on s.job_id = j.id
where j.id = any (%s::uuid[]) order by j.id"""


@pytest.fixture
def seen() -> Iterator[list[Point]]:
    """The edges that are reached."""
    found: list[Point] = []
    points.watcher = lambda point, _: found.append(point)
    yield found
    points.watcher = None


def new(**given: Any) -> NewJob:
    return NewJob(**{"id": IDS.make(), "queue": "default", "task": "t", **given})


def many(number: int = MANY, **given: Any) -> list[NewJob]:
    like = new(**given)
    return [like.with_call(job_id, f"[{n}]", None) for n, job_id in enumerate(IDS.make_many(number))]


def of_kinds(number: int) -> list[NewJob]:
    return [new(**KINDS[n % len(KINDS)]) for n in range(number)]


def rows(db: Db, ids: list[str]) -> list[tuple[Any, ...]]:
    return db.execute(ROWS, [ids]).fetchall()


@pytest.mark.parametrize("given", KINDS)
def test_one_alone_is_what_the_statement_stores(pool: Pool, db: Db, given: dict[str, Any]) -> None:
    alone = enqueues.enqueue(pool, [new(**given)])
    assert rows(db, alone) == rows(db, pool.run(sql.enqueue([new(**given)])))


def test_what_is_copied_is_what_the_statement_stores(pool: Pool, db: Db, seen: list[Point]) -> None:
    copied = enqueues.enqueue(pool, of_kinds(MANY))
    assert Point("bulk/jobs", "committed") not in seen
    assert Point("bulk/scheduled", "uncommitted") in seen
    assert Point("enqueue", "before") not in seen
    stated = pool.run(sql.enqueue(of_kinds(MANY)))
    assert rows(db, copied) == rows(db, stated)
    assert len(rows(db, copied)) == MANY


def test_ids_come_back_in_order_whatever_the_number(pool: Pool, db: Db) -> None:
    for number in (2, MANY - 1, MANY, ROWS_A_BLOCK, ROWS_A_BLOCK + 1, enqueues.AT_ONCE_JOBS + 3):
        jobs = many(number)
        assert enqueues.enqueue(pool, jobs) == [job.id for job in jobs]
        stored = db.execute(
            "select args->>0 from pgflow.jobs where id = any (%s::uuid[]) order by id", [[j.id for j in jobs]]
        )
        assert [int(row[0]) for row in stored] == list(range(number))
    assert count(db, "ready") == count(db, "jobs")


@pytest.mark.parametrize("number", [1, 6, MANY])
def test_ids_of_a_wrong_clock_are_stamped_anew_and_the_others_kept(pool: Pool, db: Db, number: int) -> None:
    jobs = many(number)
    old, late = "00000000-0000-7abc-8def-0123456789ab", f"ffffffff{jobs[-1].id[8:]}"
    jobs[0] = replace(jobs[0], id=old)
    jobs[-1] = replace(jobs[-1], id=late)
    given = enqueues.enqueue(pool, jobs)
    changed = [n for n, (job, one) in enumerate(zip(jobs, given, strict=True)) if job.id != one]
    assert changed == sorted({0, number - 1})
    assert [one[13:] for one in given] == [job.id[13:] for job in jobs]
    near = "select bool_and(abs(extract(epoch from pgflow.uuid_time(id) - created_at)) < 60), count(*) from pgflow.jobs"
    assert db.execute(near).fetchone() == (True, number)
    assert {str(row[0]) for row in db.execute("select job_id from pgflow.ready")} == set(given)


@pytest.mark.parametrize("number", [1, 6, MANY])
def test_an_enqueue_repeated_by_one_who_stood_still_stores_nothing_twice(pool: Pool, db: Db, number: int) -> None:
    jobs = many(number)
    enqueues.enqueue(pool, jobs)
    age(db, 1 / 24)
    long_ago = [replace(job, id=aged(db, job.id, 1 / 24)) for job in jobs]
    again = pool.run(sql.enqueue(long_ago)) if number == MANY else enqueues.enqueue(pool, long_ago)  # none copies twice
    assert again == [job.id for job in long_ago]
    keyed = [replace(job, unique_key=f"k{n}") for n, job in enumerate(long_ago)]
    assert enqueues.enqueue(pool, keyed) == [job.id for job in long_ago]
    assert count(db, "jobs") == count(db, "ready") == number


@pytest.mark.parametrize("number", [1, 6, MANY])
def test_times_are_of_the_databases_clock(pool: Pool, db: Db, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    right = time.time
    ahead = """select bool_and(run_at - created_at = %s * interval '1 s'),
      bool_and(created_at between clock_timestamp() - interval '30 s' and clock_timestamp()),
      bool_and(expires_at - created_at = interval '90 s') from pgflow.jobs"""
    for error in (-7200, 7200):
        monkeypatch.setattr(time, "time", lambda error=error: right() + error)
        for delay in (None, 60):
            enqueues.enqueue(pool, many(number, delay=delay, expires_in=90))
            assert db.execute(ahead, [delay or 0]).fetchone() == (True, True, True)
            db.execute("truncate pgflow.jobs, pgflow.ready, pgflow.scheduled")


def test_ids_in_another_spelling_are_the_same(pool: Pool, db: Db) -> None:
    jobs = many()
    jobs[0] = replace(jobs[0], id=jobs[0].id.replace("-", ""))
    enqueues.enqueue(pool, jobs)
    assert count(db, "ready") == MANY


def test_what_is_there_or_twice_among_them_is_stored_once(pool: Pool, db: Db) -> None:
    jobs = many()
    pool.run(sql.enqueue(jobs[:1]))
    assert enqueues.enqueue(pool, [*jobs, jobs[7]]) == [job.id for job in [*jobs, jobs[7]]]
    assert count(db, "jobs") == count(db, "ready") == MANY


@pytest.mark.parametrize(("number", "last"), [(1, "enqueue_one"), (6, "enqueue"), (MANY, "bulk/ring")])
def test_asked_again_after_a_lost_answer_all_are_stored_once(pool: Pool, db: Db, number: int, last: str) -> None:
    lost = []

    def lose(point: Point, _conn: Any) -> None:
        if point == (last, "committed") and not lost:
            lost.append(point)
            msg = "the answer is lost"
            raise psycopg.OperationalError(msg)

    points.watcher = lose
    try:
        jobs = many(number)
        assert enqueues.enqueue(pool, jobs) == [job.id for job in jobs]
    finally:
        points.watcher = None
    assert lost
    assert count(db, "jobs") == count(db, "ready") == number


@pytest.mark.parametrize("place", [3, enqueues.AT_ONCE_JOBS + 1])
def test_all_are_stored_or_none(pool: Pool, db: Db, place: int) -> None:
    jobs = many(enqueues.AT_ONCE_JOBS + MANY)
    db.execute("alter table pgflow.jobs add constraint no_nine check (priority <> 9)")
    jobs[place] = replace(jobs[place], priority=9)
    with pytest.raises(CheckViolation):
        enqueues.enqueue(pool, jobs)
    assert count(db, "jobs") == count(db, "ready") == 0
    pool.run(sql.enqueue([new()]))


@pytest.mark.parametrize("number", [1, 6, MANY])
def test_they_ring_once_a_queue_and_not_where_every_worker_has_promised_to_poll(
    pool: Pool, migrated_url: str, number: int
) -> None:
    with psycopg.connect(migrated_url, autocommit=True) as ear:
        ear.execute("listen pgflow")
        enqueues.enqueue(pool, many(number, queue="deaf"))
        for name, busy in (("idle", None), ("busy", timedelta(minutes=1))):
            ear.execute(
                """insert into pgflow.workers (id, host, pid, version, backend, queues, tasks, slots, running, stopping,
                  long_running, started_at, beat_at, busy_until)
                values (%s, 'h', 1, '0', 'asyncio', array[%s], '{}', 1, 0, false, '[]', now(), now(), now() + %s)""",
                [name, name, busy],
            )
        enqueues.enqueue(pool, many(number, queue="busy"))
        enqueues.enqueue(pool, many(number, queue="idle", delay=60))
        assert list(ear.notifies(timeout=0.2)) == []
        enqueues.enqueue(pool, many(number, queue="idle"))
        assert [note.payload for note in ear.notifies(timeout=0.2)] == ["idle"]
        enqueues.enqueue(pool, many(number, queue="busy") + many(number, queue="idle"))
        assert [note.payload for note in ear.notifies(timeout=0.2)] == ["idle"]


def test_text_is_stored_whatever_the_clients_encoding(
    migrated_url: str, db: Db, pool_of: Callable[[str], Pool]
) -> None:
    pool = pool_of(psycopg.conninfo.make_conninfo(migrated_url, client_encoding="latin1"))
    jobs = [job.with_call(job.id, '["€ and ü"]', None) for job in many()]
    enqueues.enqueue(pool, jobs)
    assert db.execute("select distinct args->>0 from pgflow.jobs").fetchall() == [("€ and ü",)]
    pool.run(sql.enqueue([new(args='["ü"]')]))
    assert db.execute("select count(*) from pgflow.jobs where args->>0 = 'ü'").fetchone() == (1,)


def test_enqueue_many_copies_and_keys_are_heeded_all_the_same(migrated_url: str, db: Db, seen: list[Point]) -> None:
    app = App("tests", dsn=migrated_url, dataset_bucket="none")

    @app.task
    def double(number: int) -> int:
        return 2 * number

    handles = double.enqueue_many([((n,), {}) for n in range(MANY)])
    assert Point("bulk/ring", "committed") in seen
    assert len({handle.id for handle in handles}) == MANY == count(db, "ready")
    keyed = [replace(job, unique_key=f"key {n % MANY}") for n, job in enumerate(many())]
    assert len(app.door.put(keyed)) == MANY
    assert app.door.put([replace(job, id=IDS.make()) for job in keyed]) == [job.id for job in keyed]
    app.close()
