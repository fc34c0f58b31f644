"""Capturing enqueues: what is kept of them, what is checked, and that nothing is stored unless asked."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from pgflow import App, ArgumentError, DatabaseUnavailableError, JobNotFoundError, JobRejected, State
from pgflow.testing import captured, drain

if TYPE_CHECKING:
    from pgflow.testing import Captures

app = App("post", embedded=False, max_payload_bytes=1000)


@app.task(queue="mail", max_attempts=5)
async def send(order: int, *, to: str, on: date | None = None) -> None: ...


@app.task
def rebuild() -> None: ...


def test_what_was_enqueued_is_kept_in_order_with_its_options() -> None:
    with captured(app) as sent:
        job = send.options(delay=60, headers={"tenant": "a"}).enqueue(17, to="a@b.c", on=date(2026, 5, 17))
        rebuild.enqueue_many([((), {}), ((), {})])
        app.enqueue("elsewhere.task", [1], {"x": 2}, queue="other")
    assert [one.task for one in sent] == [send.name, rebuild.name, rebuild.name, "elsewhere.task"]
    first, last = sent[0], sent[-1]
    assert (first.id, first.queue, first.args, first.joined) == (job.id, "mail", (17,), False)
    assert first.kwargs == {"to": "a@b.c", "on": date(2026, 5, 17)}
    assert first.options["delay"] == 60
    assert first.options["max_attempts"] == 5
    assert first.options["headers"] == {"tenant": "a"}
    assert (last.args, last.kwargs, last.queue) == ((1,), {"x": 2}, "other")
    assert len(sent.of(rebuild)) == 2


def test_an_assertion_matches_arguments_by_place_name_and_default() -> None:
    with captured(app) as sent:
        send.enqueue(order=17, to="a@b.c", on=None)
    assert sent.assert_enqueued(send, 17, to="a@b.c").queue == "mail"
    with pytest.raises(ArgumentError, match="missing a required argument"):
        sent.assert_enqueued(send, 17)  # type: ignore[call-arg]


def test_a_failed_assertion_names_what_was_enqueued() -> None:
    with captured(app) as sent:
        send.enqueue(17, to="a@b.c")
    with pytest.raises(AssertionError, match=r"send\(18, to='a@b\.c'\) was not enqueued; there was:\n.*send\(17, to="):
        sent.assert_enqueued(send, 18, to="a@b.c")
    with captured(app) as nothing, pytest.raises(AssertionError, match="there was: nothing"):
        nothing.assert_enqueued(rebuild)


def test_guardrails_judge_what_is_captured() -> None:
    with captured(app) as sent, pytest.raises(JobRejected, match="PAYLOAD_TOO_LARGE"):
        send.enqueue(17, to="a" * 1001)
    assert sent == []


def test_arguments_are_checked_as_ever() -> None:
    with captured(app), pytest.raises(ArgumentError, match="nan"):
        send.enqueue(float("nan"), to="a")  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_an_awaited_enqueue_is_captured_too() -> None:
    with captured(app) as sent:
        await send.aenqueue(17, to="a@b.c")
        await send.options(conn=object()).aenqueue(18, to="a@b.c")
    assert [one.joined for one in sent] == [False, True]


def test_a_look_at_a_captured_job_says_that_it_is_not_stored() -> None:
    with captured(app):
        job = rebuild.enqueue()
        with pytest.raises(JobNotFoundError, match=r"captured\(app, store=True\)"):
            job.refresh()
        with pytest.raises(DatabaseUnavailableError, match=r"drain\(\)"):
            app.cancel(job)


def test_the_app_is_its_own_again_behind_the_block() -> None:
    with pytest.raises(ZeroDivisionError), captured(app):
        raise ZeroDivisionError
    with pytest.raises(DatabaseUnavailableError, match="PGFLOW_DATABASE_URL"):
        rebuild.enqueue()


def test_blocks_nest_and_the_inner_one_takes_the_job() -> None:
    with captured(app) as outer:
        with captured(app) as inner:
            rebuild.enqueue()
        assert (len(outer), len(inner)) == (0, 1)
        rebuild.enqueue()
    assert (len(outer), len(inner)) == (1, 1)


def _sent(pgflow_app: App) -> Captures:
    @pgflow_app.task
    def note() -> None: ...

    with captured(pgflow_app, store=True) as sent:
        job = note.enqueue()
        assert job.refresh().state is State.QUEUED
    return sent


def test_with_store_the_jobs_are_stored_as_well(pgflow_app: App) -> None:
    sent = _sent(pgflow_app)
    assert drain(pgflow_app).succeeded == 1
    assert pgflow_app.job(sent[0].id).refresh().state is State.SUCCEEDED
