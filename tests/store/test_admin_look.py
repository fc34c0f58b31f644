"""Looking: every state is found by its own list, pages join up, and searches are bounded."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import moving
import pytest

from pgflow.errors import JobNotFoundError
from pgflow.model import OutcomeKind, State
from pgflow.store import buckets
from pgflow.store.admin import act, look
from pgflow.views import JobFilter, Page

if TYPE_CHECKING:
    import psycopg

    from pgflow.model import JobRow
    from pgflow.store.pool import Pool

ABSENT = "019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"


def listed(pool: Pool, **wanted: Any) -> list[str]:
    return [job.id for job in page(pool, **wanted).items]


def page(pool: Pool, **wanted: Any) -> Page[JobRow]:
    return pool.together(lambda run: look.listing(run, JobFilter(**wanted)))


def one_of_each(pool: Pool) -> dict[State, str]:
    made = {
        State.SUCCEEDED: moving.succeed(pool),
        State.RETRYING: moving.fail(pool),
        State.DEAD: moving.die(pool),
        State.SCHEDULED: moving.one(pool, delay=60.0),
        State.CANCELLED: moving.one(pool),
        State.EXPIRED: moving.one(pool),
        State.RUNNING: moving.one(pool),
        State.QUEUED: moving.one(pool),
    }
    pool.together(lambda run: act.cancel(run, made[State.CANCELLED]))
    moving.finish(pool, moving.claim(pool)[0], OutcomeKind.EXPIRED, error_code="EXPIRED")
    assert moving.claim(pool)[0].job_id == made[State.RUNNING]
    return made


def test_every_state_is_found_alone_and_among_all(pool: Pool) -> None:
    made = one_of_each(pool)
    assert {state: listed(pool, state=state) for state in State} == {state: [job_id] for state, job_id in made.items()}
    assert listed(pool) == sorted(made.values(), reverse=True)
    for state, job_id in made.items():
        assert pool.run(look.job(job_id)).state is state


def test_a_job_comes_with_its_arguments_and_its_last_error(pool: Pool) -> None:
    dead = moving.die(pool, args="[1]", kwargs='{"to":"x"}', headers={"h": 1}, timeout=3.0, priority=4)
    job = pool.run(look.job(dead))
    assert (job.args, job.kwargs, job.headers, job.timeout, job.priority) == ([1], {"to": "x"}, {"h": 1}, 3.0, 4)
    assert (job.reason_code, job.error_code, job.error_message) == ("NON_RETRYABLE", "UNKNOWN", "boom")
    assert (job.attempt, job.spent, job.worker_id) == (1, 1, "w1")
    assert job.finished_at is not None
    assert page(pool).items[0].args is None
    assert page(pool, payloads=True).items[0].args == [1]


def test_a_missing_job_is_an_error_that_names_it(pool: Pool) -> None:
    with pytest.raises(JobNotFoundError, match=ABSENT):
        pool.run(look.job(ABSENT))
    with pytest.raises(JobNotFoundError, match="is not a job id"):
        look.job("x")
    with pytest.raises(JobNotFoundError, match=ABSENT):
        pool.run(look.ending(ABSENT))


@pytest.mark.parametrize("state", [None, State.QUEUED])
def test_pages_join_up_without_gap_or_repeat(pool: Pool, state: State | None) -> None:
    made = moving.enqueue(pool, 25)
    wanted, seen = JobFilter(limit=10, state=state), []
    while True:
        found = pool.together(lambda run, wanted=wanted: look.listing(run, wanted))
        seen += [job.id for job in found.items]
        if found.next is None:
            break
        wanted = replace(wanted, before=found.next)
    assert seen == made[::-1]


def test_filters_narrow_the_list(pool: Pool) -> None:
    dead = moving.die(pool, message="no such Table 7", task="other")
    mail = moving.one(pool, queue="mail", kwargs='{"order":{"id":17}}')
    first = moving.one(pool, args="[true]")
    now = datetime.now(UTC)
    assert listed(pool, queue="mail") == listed(pool, arguments={"order.id": "17"}) == [mail]
    assert listed(pool, arguments={"0": "true"}) == [first]
    assert listed(pool, task="other") == listed(pool, text="TABLE") == listed(pool, error_code="UNKNOWN") == [dead]
    assert listed(pool, worker="w1") == [dead]
    assert listed(pool, created_after=now + timedelta(hours=1)) == []
    assert listed(pool, created_before=now - timedelta(hours=1)) == []
    assert len(listed(pool, created_after=now - timedelta(hours=1))) == 3


def test_a_dataset_is_listed_by_its_bucket(pool: Pool) -> None:
    buckets.ensure(pool, "day")
    job_id = moving.one(pool)
    today = pool.run(look.job(job_id)).dataset
    assert today == buckets.name_of("day", datetime.now(UTC))
    assert listed(pool, dataset=today) == [job_id]
    assert listed(pool, dataset="default") == listed(pool, dataset="20200101") == []
    buckets.remove(pool, today)
    assert listed(pool, dataset="default") == [job_id]


def test_a_search_that_finds_nothing_stops_at_its_bound_and_says_how_far_it_came(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "LOOKED_AT_ROWS", 10)
    made = moving.enqueue(pool, 30)
    found = page(pool, text="nowhere", limit=4)
    assert (found.items, found.complete) == ([], False)
    assert found.next in made[1:21]
    monkeypatch.setattr(look, "SORTED_ROWS", 10)
    assert listed(pool, state=State.QUEUED, limit=5) == made[:-6:-1]  # a long ready is read by its newest jobs


def test_an_ending_is_none_until_the_job_has_one(pool: Pool) -> None:
    job_id = moving.one(pool, keep_result=True)
    assert pool.run(look.ending(job_id)).state is None
    job = moving.claim(pool)[0]
    assert pool.run(look.ending(job_id)).state is None
    moving.finish(pool, job, OutcomeKind.SUCCEEDED, result='{"n": 1}')
    assert pool.run(look.ending(job_id)) == (found := pool.run(look.ending(job_id)))
    assert (found.state, found.result) == (State.SUCCEEDED, {"n": 1})


def test_dead_letters_are_listed_newest_first_and_paged(pool: Pool) -> None:
    made = [moving.die(pool, message=f"order {n} of 0xab", task="a" if n else "b") for n in range(3)]
    letters = pool.run(look.dead_letters(limit=2))
    assert [letter.job_id for letter in letters] == made[:0:-1]
    rest = pool.run(look.dead_letters(before=(letters[-1].dead_at, letters[-1].job_id)))
    assert [letter.job_id for letter in rest] == made[:1]
    assert [x.job_id for x in pool.run(look.dead_letters(task="b", text="ORDER 0"))] == made[:1]
    pool.together(lambda run: act.discard(run, made[0]))
    assert len(pool.run(look.dead_letters(open_only=True))) == 2
    groups = pool.run(look.dead_groups())
    assert [(g.task, g.count, g.newest_job_id) for g in groups] == [("a", 2, made[2])]


def test_queues_are_counted_whether_or_not_anything_works_them(pool: Pool, db: psycopg.Connection[Any]) -> None:
    moving.enqueue(pool, 3, priority=2)
    moving.enqueue(pool, 2)
    moving.one(pool, queue="later", delay=60.0)
    done = moving.claim(pool, 2)
    pool.run(act.pause("held", "because"))
    db.execute("""insert into pgflow.workers values ('w1', now(), now(), null, 1, 5, 2, false, 'h', '1', 'asyncio',
      '{q,idle}', '{t}', '[]')""")
    rows = {row.name: row for row in pool.run(look.queues())}
    assert set(rows) == {"q", "later", "held", "idle"}
    assert (rows["q"].depth, rows["q"].depth_is_estimate, rows["q"].running, rows["q"].workers) == (3, False, 2, 1)
    assert (rows["later"].scheduled, rows["later"].workers, rows["later"].oldest_wait) == (1, 0, None)
    assert (rows["held"].paused, rows["held"].paused_reason) == (True, "because")
    assert rows["q"].oldest_wait is not None
    assert [(w.id, w.leased, w.alive, w.queues) for w in pool.run(look.workers())] == [("w1", 2, True, ("q", "idle"))]
    assert pool.run(look.counts()) == {"queued": 3, "scheduled": 1, "retrying": 0, "running": 2, "dead": 0}
    moving.finish(pool, done[0], OutcomeKind.SUCCEEDED)
    assert pool.run(look.outcomes())["succeeded"] == pool.run(look.outcomes(60))["succeeded"] == 1


def test_a_depth_beyond_a_hundred_thousand_is_an_estimate_that_says_so(pool: Pool, db: psycopg.Connection[Any]) -> None:
    db.execute("""insert into pgflow.ready select 'deep', 0, now(), gen_random_uuid(), 1, 0, false, false
      from generate_series(1, 120000)""")
    # what an insert tells the statistics comes up to a second late, and would be added to what analyze found
    db.execute("select pg_stat_force_next_flush()")
    db.execute("analyze pgflow.ready")
    moving.one(pool)
    rows = {row.name: row for row in pool.run(look.queues())}
    assert rows["deep"].depth_is_estimate
    assert 100_000 < rows["deep"].depth < 130_000
    assert (rows["q"].depth, rows["q"].depth_is_estimate) == (1, False)


def test_decisions_are_listed_newest_first_and_by_job(pool: Pool) -> None:
    job_id = moving.one(pool)
    first = pool.run(act.decide("ingest", "q", "refused", "PAYLOAD_TOO_LARGE", details={"bytes": 9}))
    last = pool.run(act.decide("policy", "q", "held", "QUEUE_PAUSED", job_id=job_id))
    assert [d.id for d in pool.run(look.decisions())] == [last, first]
    assert [d.details for d in pool.run(look.decisions(kind="ingest"))] == [{"bytes": 9}]
    assert [d.id for d in pool.run(look.decisions(before=last))] == [first]
    assert [d.reason_code for d in pool.run(look.decisions_of(job_id))] == ["QUEUE_PAUSED"]
