"""Draining an app's queues with a real worker: what is waited for, what is hurried, what is left."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from pgflow import App, Cancel, Fixed, JobError, Retry, Snooze, State, WaitTimeoutError
from pgflow.testing import Counts, adrain, drain

if TYPE_CHECKING:
    from pgflow import Context

HOUR = 3600


class Letters:
    """What the tasks of a test did."""

    def __init__(self) -> None:
        self.sent: list[Any] = []


@pytest.fixture
def letters() -> Letters:
    return Letters()


@pytest.mark.anyio
async def test_adrain_works_until_idle_on_both_loops(pgflow_app: App, letters: Letters) -> None:
    @pgflow_app.task
    async def first(number: int) -> None:
        second.enqueue(number)

    @pgflow_app.task
    def second(number: int) -> None:
        letters.sent.append(number)

    await first.aenqueue_many([((n,), {}) for n in range(20)])
    assert await adrain(pgflow_app) == Counts(succeeded=40)
    assert sorted(letters.sent) == list(range(20))
    assert await adrain(pgflow_app) == Counts()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_retries_and_snoozes_come_at_once(pgflow_app: App, backend: Any) -> None:
    @pgflow_app.task(bind=True, retry_policy=Fixed(HOUR))
    def fails_twice(job: Context) -> None:
        if job.spent < 2:
            raise ConnectionError

    @pgflow_app.task(bind=True)
    async def snoozes_once(job: Context) -> None:
        if job.attempt == 1:
            raise Snooze(HOUR)

    jobs = [fails_twice.enqueue(), snoozes_once.enqueue()]
    began = time.monotonic()
    assert drain(pgflow_app, backend=backend) == Counts(succeeded=2, failed=2, snoozed=1)
    assert time.monotonic() - began < 10
    assert [job.refresh().state for job in jobs] == [State.SUCCEEDED, State.SUCCEEDED]


def test_without_hurry_a_retry_is_waited_for_in_real_time(pgflow_app: App) -> None:
    @pgflow_app.task(bind=True, retry_policy=Fixed(0.3))
    def fails_once(job: Context) -> None:
        if job.spent < 1:
            raise ConnectionError

    fails_once.enqueue()
    began = time.monotonic()
    assert drain(pgflow_app, hurry=False) == Counts(succeeded=1, failed=1)
    assert time.monotonic() - began >= 0.3


def test_a_job_for_later_is_left_unless_it_is_asked_for(pgflow_app: App, letters: Letters) -> None:
    @pgflow_app.task
    def remind(who: str) -> None:
        letters.sent.append(who)

    job = remind.options(delay=HOUR).enqueue("ann")
    assert drain(pgflow_app) == Counts()
    assert job.refresh().state is State.SCHEDULED
    assert drain(pgflow_app, later=True) == Counts(succeeded=1)
    assert letters.sent == ["ann"]


def test_every_way_to_end_is_counted(pgflow_app: App) -> None:
    @pgflow_app.task(max_attempts=2, retry_policy=HOUR)
    async def end(how: str) -> None:
        raise {
            "dead": JobError("CARD_DECLINED", retryable=False),
            "cancelled": Cancel("no need"),
            "tried twice": Retry(HOUR),
        }[how]

    for how in ("dead", "cancelled", "tried twice"):
        end.enqueue(how)
    assert drain(pgflow_app) == Counts(dead=2, cancelled=1, failed=1)


def test_only_the_queues_named_are_drained(pgflow_app: App) -> None:
    @pgflow_app.task(queue="mail")
    def send() -> None: ...

    @pgflow_app.task(queue="slow")
    def rebuild() -> None: ...

    send.enqueue()
    left = rebuild.enqueue()
    assert drain(pgflow_app, queues=["mail"]) == Counts(succeeded=1)
    assert left.refresh().state is State.QUEUED


def test_what_is_not_drained_in_time_is_named(pgflow_app: App) -> None:
    @pgflow_app.task
    async def sleeps_on() -> None:
        raise Snooze(HOUR, "not yet")

    job = sleeps_on.enqueue()
    # hurried as it is, its next attempt may be in hand when the time is up, and is handed back
    left = rf"not drained within 0\.5 s.*\n.*sleeps_on {job.id} is .*(SNOOZED: not yet|SHUTDOWN: .*)"
    with pytest.raises(WaitTimeoutError, match=left):
        drain(pgflow_app, timeout=0.5)


def test_a_job_of_a_task_the_app_does_not_declare_is_told_at_once(pgflow_app: App) -> None:
    pgflow_app.enqueue("shop.mail.send", [1])
    began = time.monotonic()
    with pytest.raises(WaitTimeoutError, match=r"declares no task shop\.mail\.send.*import the module"):
        drain(pgflow_app)
    assert time.monotonic() - began < 10


@pytest.mark.anyio
async def test_drain_in_a_running_loop_names_the_remedy(pgflow_app: App) -> None:
    with pytest.raises(RuntimeError, match=r"await adrain\(app\)"):
        drain(pgflow_app)


@pytest.mark.anyio
async def test_a_schema_that_does_not_fit_is_raised_as_it_is(database_url: str) -> None:
    from pgflow import SchemaMismatchError
    from pgflow.testing import use_database

    with use_database(App("bare"), database_url) as app, pytest.raises(SchemaMismatchError, match="pgflow migrate"):
        await adrain(app)
