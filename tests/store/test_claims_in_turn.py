"""Claims that ask several queues: whose jobs come, in which order, under which lease, and what is left alone."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import psycopg

from moves import claim, count, ended, finish, lapse, plan, put
from pgflow.model import OutcomeKind
from pgflow.store import claims
from pgflow.store import jobs as sql
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.model import Claimed
    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]


def claim_in_turn(
    pool: Pool, queues: Sequence[str], room: int = 100, *, most: int = 100, lone: int = 4, suspects: bool = True
) -> list[list[Claimed]]:
    """Claim from queues in this order."""
    leases = claims.new_lease_ids(len(queues) + lone + 1)
    asked = [claims.Ask(queue, lease, most) for queue, lease in zip(queues, leases, strict=False)]
    statement = claims.claim_in_turn(asked, "w1", leases[len(queues) :], room, 30.0, suspects=suspects)
    return [claim.jobs for claim in pool.run(statement)]


def ids(found: list[list[Claimed]]) -> list[list[str]]:
    """The ids of what came from each queue."""
    return [[job.job_id for job in jobs] for jobs in found]


def test_queues_are_read_one_after_the_other_each_by_priority(pool: Pool) -> None:
    mail, late, urgent = put(pool, 2, queue="mail"), put(pool, 2, queue="web"), put(pool, queue="web", priority=9)
    assert ids(claim_in_turn(pool, ["web", "none", "mail"])) == [[*urgent, *late], [], mail]


def test_each_queue_has_a_lease_of_its_own_with_its_jobs_in_order(pool: Pool, db: Db) -> None:
    mail, web = put(pool, 3, queue="mail"), put(pool, 2, queue="web")
    [of_mail, of_web] = claim_in_turn(pool, ["mail", "web"])
    assert {(job.queue, job.lease_id) for job in of_mail} == {("mail", of_mail[0].lease_id)}
    assert {(job.queue, job.lease_id) for job in of_web} == {("web", of_web[0].lease_id)}
    leases = db.execute("select queue, job_ids::text[] from pgflow.leases order by queue").fetchall()
    assert leases == [("mail", mail), ("web", web)]


def test_the_next_queue_is_read_only_while_there_is_room(pool: Pool, db: Db) -> None:
    for queue in "abcd":
        put(pool, 3, queue=queue)
    assert [len(jobs) for jobs in claim_in_turn(pool, ["a", "b", "c", "d"], 5)] == [3, 2, 0, 0]
    left = db.execute("select queue, count(*) from pgflow.ready group by queue order by queue").fetchall()
    assert left == [("b", 1), ("c", 3), ("d", 3)]


def test_no_queue_gives_more_than_its_own_most(pool: Pool) -> None:
    put(pool, 5, queue="a")
    put(pool, 5, queue="b")
    assert [len(jobs) for jobs in claim_in_turn(pool, ["a", "b"], most=2)] == [2, 2]


def test_a_paused_queue_gives_nothing_and_holds_up_nobody(pool: Pool) -> None:
    put(pool, 2, queue="a")
    put(pool, 2, queue="b")
    pool.run(act.pause("a"))
    assert [len(jobs) for jobs in claim_in_turn(pool, ["a", "b"])] == [0, 2]


def test_jobs_of_one_attempt_go_alone_whichever_queue_they_are_of(pool: Pool) -> None:
    for queue in "ab":
        put(pool, 2, queue=queue, max_attempts=1)
        put(pool, 2, queue=queue)
    found = claim_in_turn(pool, ["a", "b"], lone=3)
    assert [len(jobs) for jobs in found] == [4, 3]
    leases = Counter(job.lease_id for jobs in found for job in jobs)
    assert sorted(leases.values()) == [1, 1, 1, 2, 2]
    # what goes alone keeps its place
    assert [job.max_attempts == 1 for job in found[0]] == [True, True, False, False]


def test_one_suspect_of_all_queues_is_taken_at_a_time(pool: Pool, db: Db) -> None:
    for queue in "ab":
        put(pool, 2, queue=queue)
        claim(pool, 2, queue=queue)
    lapse(db)
    pool.run(sql.reap())
    db.execute("with gone as (delete from pgflow.scheduled returning *) insert into pgflow.ready "
               "select queue, rank, run_at, job_id, attempt, spent, suspect, alone from gone")  # fmt: skip
    assert [len(jobs) for jobs in claim_in_turn(pool, ["a", "b"])] == [1, 0]
    assert [len(jobs) for jobs in claim_in_turn(pool, ["a", "b"], suspects=False)] == [0, 0]
    assert count(db, "ready") == 3


def test_what_few_jobs_have_comes_with_those_of_any_queue(pool: Pool, db: Db) -> None:
    put(pool, queue="a")
    [job_id] = put(pool, queue="b", headers={"trace": "é"}, keep_result=True, priority=-3)
    [[_], [job]] = claim_in_turn(pool, ["a", "b"])
    assert (job.job_id, job.headers, job.keep_result, job.rank, job.spent, job.age) == (
        job_id, {"trace": "é"}, True, 3, 0, 0,
    )  # fmt: skip
    finish(pool, [ended(job, OutcomeKind.RELEASED, delay=0.0)])
    put(pool, queue="a")
    db.execute("insert into pgflow.cancellations (job_id, asked_by) values (%s, 'test')", [job_id])
    [[_], [job]] = claim_in_turn(pool, ["a", "b"])
    assert (job.attempt, job.cancelled, job.expired) == (2, True, False)
    assert job.age > 0


def test_all_leases_of_a_lost_claim_are_read_back(pool: Pool) -> None:
    put(pool, 2, queue="a")
    put(pool, 1, queue="b", max_attempts=1)
    found = claim_in_turn(pool, ["a", "b"])
    leases = [job.lease_id for jobs in found for job in jobs]
    assert sorted(job.job_id for job in pool.run(claims.recover("w1", leases)).jobs) == sorted(
        [job_id for queue in ids(found) for job_id in queue]
    )


def test_leases_of_one_claim_are_never_the_same_nor_those_of_another() -> None:
    leases = claims.new_lease_ids(400)
    assert len(set(leases)) == 400
    assert not set(leases) & set(claims.new_lease_ids(400))


def test_it_reads_each_queue_by_the_index_and_sorts_none(pool: Pool, db: Db) -> None:
    for queue in "abc":
        put(pool, 1000, queue=queue)
    asked = [claims.Ask(queue, claims.new_lease_id(), 100) for queue in "abc"]
    statement = claims.claim_in_turn(asked, "w1", [], 150, 30.0, suspects=True)
    lines = plan(db, statement)
    scan = next(line for line in lines if "on ready r " in line)
    assert scan.startswith("->  Index Scan using ready_pkey")
    # two queues are read for 150, as far as they are needed
    assert re.search(r"rows=75(\.00)? loops=2\b", scan.split("actual")[1])
    assert lines[0].startswith("Nested Loop Left Join")
