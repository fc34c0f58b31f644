"""Limits as workers keep them: never more than allowed, all work done, and a held queue in nobody's way."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import Claim, DatabaseUnavailableError, hookimpl
from pgflow.plugins.policies import Policies
from pgflow.store.admin import act, explain, look
from workers import until, work, working

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pgflow import App, Claimed, WorkerInfo

pytestmark = pytest.mark.anyio


class Running:
    """A task's own count of how many of it run at once."""

    def __init__(self, app: App, seconds: float = 0.02) -> None:
        self.now = 0
        self.at_starts: list[int] = []

        @app.task
        async def counted() -> None:
            self.now += 1
            self.at_starts.append(self.now)
            await anyio.sleep(seconds)
            self.now -= 1

        self.task = counted

    async def put(self, count: int) -> None:
        await self.task.aenqueue_many([((), {}) for _ in range(count)])


class Judge:
    """A plugin that judges claims as the test says, and hears of batches."""

    def __init__(self, judge: Callable[[Claim], None], *, limits: bool = True) -> None:
        self.limits_claims = limits
        self._judge = judge
        self.batches: list[int] = []

    @hookimpl
    def pgflow_before_claim(self, claim: Claim) -> None:
        self._judge(claim)

    @hookimpl
    def pgflow_jobs_claimed(self, worker: WorkerInfo, jobs: Sequence[Claimed]) -> None:
        assert worker.id
        self.batches.append(len(jobs))


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    return make_app(plugins=[Policies()], concurrency=20)


async def test_never_more_run_at_once_than_the_limit_and_all_finish(app: App) -> None:
    running = Running(app)
    app.db.run(act.set_limits("default", max_in_flight=2))
    await running.put(40)
    began = time.monotonic()
    counts = await work(app)
    assert counts["succeeded"] == 40
    assert max(running.at_starts) == 2
    assert time.monotonic() - began < 10, "what ends here makes room at once, not after a rest"
    [made, *_] = app.db.run(look.decisions(kind="policy"))
    assert (made.reason_code, made.details) == (
        "IN_FLIGHT_EXCEEDED",
        {"reason": "2 of at most 2 are in flight", "max_in_flight": 2},
    )


async def test_a_burst_ends_only_when_a_queue_that_was_held_back_is_empty(app: App) -> None:
    running = Running(app)
    app.db.run(act.set_limits("default", max_in_flight=1, throttle_delay_ms=200))
    await running.put(5)
    with anyio.fail_after(20):
        counts = await app.worker(burst=True).run()
    assert (counts["succeeded"], max(running.at_starts)) == (5, 1)


async def test_no_more_attempts_a_minute_are_made_than_the_rate_allows(app: App, db: Any) -> None:
    running = Running(app)
    app.db.run(act.set_limits("default", max_attempts_per_minute=5, throttle_delay_ms=50))
    await running.put(8)
    async with working(app):
        await until(lambda: app.db.run(look.decisions(reason_code="ATTEMPT_RATE_EXCEEDED")))
        await until(lambda: len(running.at_starts) == 5)
        held = app.db.run(look.decisions(reason_code="ATTEMPT_RATE_EXCEEDED"))[0].count
        await until(lambda: app.db.run(look.decisions(reason_code="ATTEMPT_RATE_EXCEEDED"))[0].count > held + 3)
        assert len(running.at_starts) == 5
        db.execute("update pgflow.rates set second = second - interval '62 s'")
        await until(lambda: len(running.at_starts) == 8)


async def test_a_limit_changed_while_a_worker_runs_takes_hold_within_seconds(app: App) -> None:
    running = Running(app, 0.05)
    app.db.run(act.set_limits("default", max_in_flight=1))
    await running.put(600)
    async with working(app):
        await until(lambda: len(running.at_starts) > 5)
        assert max(running.at_starts) == 1
        app.db.run(act.set_limits("default", max_in_flight=4))
        await until(lambda: max(running.at_starts) == 4, 5)
        app.db.run(act.set_limits("default", max_in_flight=2))
        await until(lambda: max(running.at_starts[-20:]) == 2, 8)
        app.db.run(act.set_limits("default", max_in_flight=None))
        await until(lambda: max(running.at_starts) > 4, 5)
        assert max(running.at_starts) <= 20


async def test_a_queue_that_is_held_back_is_in_no_other_queue_s_way(app: App) -> None:
    running, gate, done = Running(app), anyio.Event(), []

    @app.task(queue="mail")
    async def stay() -> None:
        await gate.wait()
        done.append(1)

    app.db.run(act.set_limits("mail", max_in_flight=1, throttle_delay_ms=100))
    await stay.aenqueue_many([((), {}) for _ in range(3)])
    async with working(app):
        await until(lambda: app.db.run(look.decisions(queue="mail")))
        await running.put(50)
        await until(lambda: len(running.at_starts) == 50)
        assert done == []
        gate.set()
        await until(lambda: len(done) == 3)


async def test_a_paused_queue_is_left_alone_with_its_reason_on_record(app: App) -> None:
    running = Running(app)
    app.db.run(act.pause("default", "the provider is down"))
    job = await running.task.aenqueue()
    async with working(app):
        await until(lambda: app.db.run(look.decisions(kind="policy")))
        assert running.at_starts == []
        app.db.run(act.resume("default"))
        await until(lambda: running.at_starts == [1])
    told = app.db.together(lambda run: explain.timeline(run, job.id))
    [held] = [event for event in told.events if event.event == "decision"]
    assert (held.details["reason_code"], held.details["details"]) == (
        "QUEUE_PAUSED",
        {"reason": "the provider is down"},
    )


async def test_a_burst_does_not_wait_for_a_paused_queue(app: App) -> None:
    running = Running(app)
    app.db.run(act.pause("default"))
    await running.task.aenqueue()
    with anyio.fail_after(10):
        assert (await app.worker(burst=True).run())["succeeded"] == 0


async def test_a_limiter_that_fails_holds_its_queues_back_and_is_counted(make_app: Callable[..., App]) -> None:
    broken = [True]

    def judge(claim: Claim) -> None:
        assert claim.limit > 0
        if broken:
            raise LookupError("no table of limits")

    app = make_app(plugins=[Judge(judge)])
    running = Running(app)
    await running.task.aenqueue()
    async with working(app):
        [made] = await until(lambda: app.db.run(look.decisions(kind="policy")))
        assert made.reason_code == "PLUGIN_FAILED"
        assert "plugin judge cannot judge: LookupError: no table of limits" in str(made.details)
        assert app.hooks.errors["judge", "pgflow_before_claim"] >= 1
        assert running.at_starts == []
        broken.clear()
        await until(lambda: running.at_starts == [1])


async def test_a_judge_that_limits_nothing_and_fails_holds_nobody_up(make_app: Callable[..., App]) -> None:
    def judge(claim: Claim) -> None:
        raise LookupError(claim.queue)

    app = make_app(plugins=[Judge(judge, limits=False)])
    running = Running(app)
    await running.task.aenqueue()
    assert (await work(app))["succeeded"] == 1
    assert app.hooks.errors["judge", "pgflow_before_claim"] >= 1


async def test_a_plugin_lowers_what_is_claimed_at_once_and_hears_of_each_batch(make_app: Callable[..., App]) -> None:
    def judge(claim: Claim) -> None:
        claim.limit = min(claim.limit, 3)

    plugin = Judge(judge)
    app = make_app(plugins=[plugin])
    running = Running(app)
    await running.put(10)
    assert (await work(app))["succeeded"] == 10
    assert (sum(plugin.batches), max(plugin.batches)) == (10, 3)


async def test_a_queue_is_held_back_for_as_long_as_a_plugin_says(make_app: Callable[..., App], db: Any) -> None:
    asked: list[float] = []

    def judge(claim: Claim) -> None:
        asked.append(time.monotonic())
        if len(asked) < 5:
            claim.pause("BUSINESS_HOURS", "it is night", rest_seconds=0.3)

    app = make_app(plugins=[Judge(judge)])
    running = Running(app)
    await running.task.aenqueue()
    async with working(app):
        await until(lambda: running.at_starts == [1])
    assert min(later - sooner for sooner, later in pairwise(asked[:5])) > 0.25
    [made] = app.db.run(look.decisions(kind="policy"))
    assert (made.reason_code, made.details) == ("BUSINESS_HOURS", {"reason": "it is night"})


async def test_jobs_of_a_limited_claim_whose_answer_is_lost_are_taken_up(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, lost = Running(app), []
    app.db.run(act.set_limits("default", max_in_flight=2))
    await running.put(6)
    answered = app.db.atogether

    async def lose_one(work: Any) -> Any:
        answer = await answered(work)
        if not lost:
            lost.append(answer.jobs)
            raise DatabaseUnavailableError("the line broke behind the commit", in_doubt=True)
        return answer

    monkeypatch.setattr(app.db, "atogether", lose_one)
    assert (await work(app))["succeeded"] == 6
    assert (len(lost[0]), max(running.at_starts)) == (2, 2)
