"""What an idle worker asks once a second: which queues have work, and when the next scheduled job is due."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moves import put
from pgflow.store import jobs as sql
from pgflow.store.admin import act
from pgflow.worker.due import SLACK, Due

if TYPE_CHECKING:
    from pgflow.store.pool import Pool

Db = psycopg.Connection[Any]


def test_it_names_the_queues_that_have_work_and_are_not_paused(pool: Pool) -> None:
    assert pool.run(sql.waiting_queues(["a", "b", "c"])) == ([], None)
    put(pool, queue="b")
    put(pool, queue="c")
    put(pool, queue="elsewhere")
    pool.run(act.pause("c"))
    assert pool.run(sql.waiting_queues(["a", "b", "c"])) == (["b"], None)


def test_it_says_when_the_next_scheduled_job_is_due(pool: Pool, db: Db) -> None:
    put(pool, delay=100.0)
    put(pool, queue="elsewhere", delay=50.0)
    _, seconds = pool.run(sql.waiting_queues(["default"]))
    assert seconds == pytest.approx(50, abs=10)
    db.execute("update pgflow.scheduled set run_at = now() - interval '1 s'")
    _, seconds = pool.run(sql.waiting_queues(["default"]))
    assert seconds is not None
    assert seconds < 0


@pytest.mark.anyio
async def test_a_look_spares_the_promoter_its_question_for_a_little_more_than_a_poll() -> None:
    due = Due(1.0)
    assert due.seconds() <= 0
    due.told(None)
    assert 1 < due.seconds() <= SLACK
    assert not await due.bell.wait(0)
    due.told(0.2)
    assert 0 < due.seconds() <= 0.2
    assert await due.bell.wait(0)
    due.told(None)
    due.soon()
    assert due.seconds() <= 0
    assert await due.bell.wait(0)
