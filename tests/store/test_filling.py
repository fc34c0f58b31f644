"""The benchmark's filling: as the doctor would have it, and every filter finds in it what looking at all would."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from bench.filling import fill
from pgflow.model import State
from pgflow.store.admin import doctor, look
from pgflow.store.pool import Pool
from pgflow.testing.databases import temporary
from pgflow.views import JobFilter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.model import JobRow

JOBS = 3_000


@pytest.fixture(scope="module")
def filled(pgflow_server_url: str, pgflow_template: str) -> Iterator[Pool]:
    with temporary(pgflow_server_url, pgflow_template) as url:
        fill(url, JOBS)
        pool = Pool(url)
        yield pool
        pool.close()


def found(pool: Pool, **wanted: Any) -> list[JobRow]:
    rows: list[JobRow] = []
    before: str | None = None
    while True:
        asked = JobFilter(limit=500, payloads=True, before=before, **wanted)
        page = pool.together(lambda run, asked=asked: look.listing(run, asked))
        rows += page.items
        before = page.next
        if before is None:
            return rows


def test_the_doctor_has_nothing_to_say(filled: Pool) -> None:
    assert [check for check in doctor.examine(filled) if not check.ok] == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"state": State.RUNNING}, {"state": State.DEAD, "queue": "queue-3"},
        {"state": State.RETRYING, "queue": "queue-1"},
        {"worker": "worker-3-0"}, {"state": State.RUNNING, "worker": "worker-3-0"}, {"error_code": "TIMEOUT"},
        {"state": State.DEAD, "error_code": "TIMEOUT"}, {"state": State.DEAD, "text": "REFUSED"}, {"text": "no answer"},
        {"task": "bench.task_07", "state": State.CANCELLED}, {"state": State.SUCCEEDED, "worker": "worker-3-0"},
        {"tag": "customer-10"}, {"arguments": {"order.id": "77"}}, {"worker": "nobody"},
    ],
    ids=str,
)  # fmt: skip
def test_a_filter_finds_what_looking_at_all_would(filled: Pool, wanted: dict[str, Any]) -> None:
    everything = found(filled)
    assert len(everything) == JOBS
    assert [row.id for row in found(filled, **wanted)] == [row.id for row in everything if passes(row, wanted)]


def passes(row: JobRow, wanted: dict[str, Any]) -> bool:
    has = {
        "state": row.state, "queue": row.queue, "task": row.task, "worker": row.worker_id, "error_code": row.error_code,
        "tag": next(iter((row.headers or {}).get("tags", [])), None),
    }  # fmt: skip
    text = wanted.get("text", "").lower()
    order = wanted.get("arguments", {}).get("order.id")
    return (
        all(value == wanted[name] for name, value in has.items() if name in wanted)
        and text in (row.error_message or "").lower()
        and order in (None, str((row.kwargs or {})["order"]["id"]))
    )


def test_the_ids_of_dead_jobs_are_read_in_the_order_of_their_index(filled: Pool) -> None:
    params = {"before": look.LAST_ID, "after": "00000000-0000-0000-0000-000000000000", "most": 10} | dict.fromkeys(
        ("queue", "task", "error_code", "text")
    )
    with psycopg.connect(filled.dsn) as conn:
        query = look.NEWEST_OF[State.DEAD].text
        plan = "\n".join(row[0] for row in conn.execute(f"explain {query}".encode(), params))
    assert "Sort" not in plan
