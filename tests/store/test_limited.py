"""Limited claims: what is in flight and how fast, kept exactly over every connection, and what is kept of it."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moves import claim, count, ended, finish, lapse, put
from pgflow.errors import ArgumentError
from pgflow.store import claims, limited
from pgflow.store import jobs as sql
from pgflow.store.admin import act, explain, look

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]

IN_FLIGHT = """select count(*) from pgflow.leases as l, unnest(l.job_ids, l.attempts) as u (job_id, attempt)
  where not exists (select from pgflow.attempts as a where a.job_id = u.job_id and a.attempt = u.attempt)"""


def claim_limited(
    pool: Pool,
    most: int = 100,
    *,
    in_flight: int | None = None,
    rate: int | None = None,
    worker: str = "w1",
    queue: str = "default",
) -> limited.Brought:
    """Claim within limits."""
    lease = claims.new_lease_id()
    lone = [f"{lease[:-4]}{n:04x}" for n in range(1, 6)]

    def claiming(left: int) -> Any:
        return claims.claim(queue, worker, lease, lone, left, 30, mark=claims.HEAD, suspects=True)

    limits = limited.Limits(queue, worker, in_flight, rate)
    return pool.together(lambda run: limited.claim(run, limits, most, claiming))


def age_rates(db: Db, seconds: float) -> None:
    """Let what was charged be older."""
    db.execute("update pgflow.rates set second = second - %s * interval '1 s'", [seconds])


def age_decisions(db: Db, seconds: float) -> None:
    """Let what was held back be longer ago."""
    db.execute("update pgflow.turns set taken_until = taken_until - %s * interval '1 s'", [seconds])
    db.execute("update pgflow.decisions set created_at = created_at - %s * interval '1 s'", [seconds])


def test_four_claiming_at_once_never_have_more_in_flight_than_the_limit(
    migrated_url: str, pool: Pool, db: Db, pool_of: Callable[[str], Pool]
) -> None:
    put(pool, 300)
    done: list[str] = []
    seen: list[int] = []
    over = threading.Event()

    def watch() -> None:
        with psycopg.connect(migrated_url, autocommit=True) as conn:
            while not over.is_set():
                row = conn.execute(IN_FLIGHT).fetchone()
                seen.append(row[0] if row else 0)

    def work(mine: Pool, nth: int) -> None:
        until = time.monotonic() + 60
        while len(done) < 300 and time.monotonic() < until:
            jobs = claim_limited(mine, 7, in_flight=10, worker=f"w{nth}").jobs
            for lease in {job.lease_id for job in jobs}:
                finish(mine, [ended(job) for job in jobs if job.lease_id == lease])
            done.extend(job.job_id for job in jobs)

    with ThreadPoolExecutor(5) as threads:
        watching = threads.submit(watch)
        for working in [threads.submit(work, pool_of(migrated_url), nth) for nth in range(4)]:
            working.result(90)
        over.set()
        watching.result(10)
    assert sorted(done) == sorted(set(done))
    assert len(done) == 300
    assert max(seen) <= 10
    assert count(db, "leases") == 0


def test_four_claiming_at_once_and_finishing_nothing_take_exactly_the_limit(
    migrated_url: str, pool: Pool, pool_of: Callable[[str], Pool]
) -> None:
    put(pool, 100)
    start = threading.Barrier(4)

    def take(mine: Pool) -> int:
        mine.run(look.limits())
        start.wait(10)
        return sum(len(claim_limited(mine, 4, in_flight=10).jobs) for _ in range(20))

    with ThreadPoolExecutor(4) as threads:
        taken = sum(each.result(30) for each in [threads.submit(take, pool_of(migrated_url)) for _ in range(4)])
    # whoever finds the queue's row locked goes without: what is left goes to the one who comes alone
    assert taken <= 10
    assert taken + len(claim_limited(pool, 100, in_flight=10).jobs) == 10


def test_four_claiming_at_once_make_exactly_as_many_attempts_a_minute_as_they_may(
    migrated_url: str, pool: Pool, pool_of: Callable[[str], Pool]
) -> None:
    put(pool, 100)

    def take(mine: Pool) -> int:
        return sum(len(claim_limited(mine, 3, rate=25).jobs) for _ in range(20))

    with ThreadPoolExecutor(4) as threads:
        taken = sum(each.result(30) for each in [threads.submit(take, pool_of(migrated_url)) for _ in range(4)])
    assert taken <= 25
    assert taken + len(claim_limited(pool, 100, rate=25).jobs) == 25


def test_a_minute_slides_and_no_sixty_seconds_hold_more_than_the_rate(pool: Pool, db: Db) -> None:
    put(pool, 40)
    assert len(claim_limited(pool, rate=5).jobs) == 5
    age_rates(db, 30)
    assert claim_limited(pool, rate=5).jobs == []
    assert len(claim_limited(pool, rate=8).jobs) == 3
    age_rates(db, 29)
    assert claim_limited(pool, rate=8).jobs == []
    age_rates(db, 3)
    assert len(claim_limited(pool, rate=8).jobs) == 5
    age_rates(db, 62)
    found = claim_limited(pool, rate=100)
    assert (len(found.jobs), found.held) == (27, None)


def test_a_lost_job_is_in_flight_until_it_is_reaped(pool: Pool, db: Db) -> None:
    put(pool, 3)
    assert len(claim_limited(pool, in_flight=2).jobs) == 2
    lapse(db)
    assert claim_limited(pool, in_flight=2).jobs == []
    pool.run(sql.reap())
    assert len(claim_limited(pool, in_flight=2).jobs) == 1


def test_a_half_finished_lease_counts_only_what_has_not_ended(pool: Pool) -> None:
    put(pool, 10)
    jobs = claim_limited(pool, in_flight=4).jobs
    finish(pool, [ended(job) for job in jobs[:3]], over=False)
    assert len(claim_limited(pool, in_flight=4).jobs) == 3


def test_a_claim_does_not_wait_for_one_that_another_worker_makes(pool: Pool, db: Db) -> None:
    put(pool, 3)
    claim_limited(pool, 1, in_flight=2)
    with db.transaction():
        db.execute("select from pgflow.queues where name = 'default' for update")
        began = time.monotonic()
        assert claim_limited(pool, in_flight=2).busy
        assert time.monotonic() - began < 5
    assert len(claim_limited(pool, in_flight=2).jobs) == 1


def test_an_operator_pauses_a_limited_queue_for_good(pool: Pool) -> None:
    put(pool, 3)
    pool.run(act.pause("default", "stocktaking"))
    found = claim_limited(pool, in_flight=2)
    assert (found.jobs, found.held, found.busy) == ([], None, False)


def test_what_is_held_back_is_kept_on_a_row_each_ten_seconds(pool: Pool, db: Db) -> None:
    ids = put(pool, 3)
    claimed = claim_limited(pool, in_flight=1, worker="w1")
    assert claimed.held is not None
    assert claimed.held[:2] == ("IN_FLIGHT_EXCEEDED", "1 of at most 1 are in flight")
    for nth in range(5):
        assert claim_limited(pool, in_flight=1, worker=f"w{nth}").held
    [made] = pool.run(look.decisions(kind="policy"))
    assert (made.decision, made.reason_code, made.queue, made.job_id) == (
        "held",
        "IN_FLIGHT_EXCEEDED",
        "default",
        ids[1],
    )
    assert made.details == {"reason": "1 of at most 1 are in flight", "max_in_flight": 1}
    assert (made.count, made.last_at > made.created_at) == (6, True)
    age_decisions(db, 10.5)
    assert claim_limited(pool, in_flight=1).held
    assert [made.count for made in pool.run(look.decisions(kind="policy"))] == [1, 6]


def test_eight_notes_at_once_make_one_row(migrated_url: str, pool: Pool, pool_of: Callable[[str], Pool]) -> None:
    put(pool)
    pools = [pool_of(migrated_url) for _ in range(8)]
    start = threading.Barrier(8)

    def note(mine: Pool) -> bool:
        mine.run(look.limits())
        start.wait(10)
        return mine.run(limited.note("default", "w", limited.Held("BUSINESS_HOURS", "it is night")))

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(note, pools))
    [made] = pool.run(look.decisions(kind="policy"))
    assert (made.reason_code, made.details) == ("BUSINESS_HOURS", {"reason": "it is night"})


def test_nothing_is_kept_of_a_queue_in_which_nothing_waits(pool: Pool, db: Db) -> None:
    put(pool)
    assert claim_limited(pool, in_flight=1).held is None
    assert claim_limited(pool, in_flight=1).held is None
    assert not pool.run(limited.note("default", "w", limited.Held("BUSINESS_HOURS", "")))
    assert (count(db, "decisions"), count(db, "turns")) == (0, 0)


def test_a_claim_whose_answer_is_lost_is_read_back_by_its_lease(pool: Pool) -> None:
    put(pool, 3)
    brought = claim_limited(pool, in_flight=2).jobs
    again = pool.run(claims.recover("w1", [brought[0].lease_id])).jobs
    assert [job.job_id for job in again] == [job.job_id for job in brought]


def test_a_limited_claim_undone_by_its_end_charges_and_notes_nothing(pool: Pool, db: Db) -> None:
    put(pool, 3)

    def claim_and_fail(run: Any) -> None:
        limits = limited.Limits("default", "w1", 1, 5)
        lease, lone = claims.new_lease_ids(2)
        claiming = partial(claims.claim, "default", "w1", lease, [lone], seconds=30, mark=claims.HEAD, suspects=True)
        limited.claim(run, limits, 3, claiming)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        pool.together(claim_and_fail)
    assert [count(db, table) for table in ("ready", "leases", "rates", "decisions")] == [3, 0, 0, 0]


def test_limits_are_set_kept_and_cleared_one_by_one(pool: Pool) -> None:
    assert pool.run(look.limits()) == {}
    made = pool.run(act.set_limits("mail", max_in_flight=10, throttle_delay_ms=0))
    assert (made.max_in_flight, made.max_attempts_per_minute, made.throttle_delay_ms) == (10, None, 0)
    made = pool.run(act.set_limits("mail", max_attempts_per_minute=600))
    assert (made.max_in_flight, made.max_attempts_per_minute, made.throttle_delay_ms) == (10, 600, 0)
    pool.run(act.pause("mail", "why not"))
    made = pool.run(act.set_limits("mail", max_in_flight=None, throttle_delay_ms=None))
    assert (made.max_in_flight, made.max_attempts_per_minute, made.throttle_delay_ms) == (None, 600, None)
    assert pool.run(look.limits()) == {"mail": made}
    assert (made.paused, made.paused_reason) == (True, "why not")
    [row] = pool.run(look.queues())
    assert (row.max_in_flight, row.max_attempts_per_minute, row.throttle_delay_ms) == (None, 600, None)
    for wrong in ({"max_in_flight": 0}, {"max_attempts_per_minute": -1}, {"throttle_delay_ms": -1}):
        with pytest.raises(ArgumentError, match=next(iter(wrong))):
            act.set_limits("mail", **wrong)  # type: ignore[arg-type]


def test_a_job_s_timeline_shows_what_held_its_queue_back_while_it_waited(pool: Pool, db: Db) -> None:
    put(pool, 2)
    claim_limited(pool, in_flight=1)
    before = claim_limited(pool, in_flight=1)
    assert before.held
    age_decisions(db, 10.5)
    [mine] = put(pool)
    claim_limited(pool, in_flight=1)
    jobs = claim(pool)
    time.sleep(0.002)  # their runs are said to have taken a millisecond, and to have begun behind what held them back
    finish(pool, [ended(job) for job in jobs])
    put(pool)
    age_decisions(db, 0.0)
    claim_limited(pool, in_flight=0)
    told = pool.together(lambda run: explain.timeline(run, mine))
    assert [event.event for event in told.events] == ["enqueued", "decision", "started", "succeeded"]
    assert told.events[1].details["reason_code"] == "IN_FLIGHT_EXCEEDED"


def test_a_queued_job_says_that_its_queue_is_at_its_limit_and_what_to_do(pool: Pool, db: Db) -> None:
    pool.run(act.set_limits("default", max_in_flight=1, max_attempts_per_minute=50))
    job_id = put(pool, 2)[1]
    db.execute(
        "insert into pgflow.workers values ('w1', now(), now(), null, 1, 5, 2, false, 'h', '1', 'asyncio',"
        " '{default}', '{tests.task}', '[]')"
    )
    claim_limited(pool, in_flight=1, rate=50)
    told = pool.together(lambda run: explain.explain(run, job_id))
    assert "Queue default is held back: IN_FLIGHT_EXCEEDED (1 of at most 1 are in flight)." in told.paragraph
    assert "pgflow queues set default --max-in-flight N" in str(told.parts["suggested_action"])
    assert told.parts["blocked_by"] == ["IN_FLIGHT_EXCEEDED"]
    assert (told.parts["in_flight"], told.parts["attempts_last_minute"]) == (1, 1)
    pool.run(act.set_limits("default", max_in_flight=None, max_attempts_per_minute=1))
    told = pool.together(lambda run: explain.explain(run, job_id))
    assert "1 of at most 1 attempts were made in the last minute" in told.paragraph
    pool.run(act.set_limits("default", max_attempts_per_minute=None))
    told = pool.together(lambda run: explain.explain(run, job_id))
    assert "IN_FLIGHT_EXCEEDED (1 of at most 1 are in flight, under 1 s ago)" in told.paragraph
    age_decisions(db, 20)
    told = pool.together(lambda run: explain.explain(run, job_id))
    assert told.parts["blocked_by"] == []
