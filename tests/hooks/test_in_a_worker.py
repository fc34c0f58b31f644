"""The hooks a worker calls: start to stop, claims, ends of attempts, lost jobs, heartbeats and maintenance."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import App, Dead, Fixed, JobError, LostJob, PluginError, Retry, Snooze, WorkerInfo, WorkerStats, hookimpl
from workers import until, until_final, work, working

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    import psycopg

    from pgflow import Claimed, Outcome

pytestmark = pytest.mark.anyio


class Ledger:
    """Hears of everything."""

    def __init__(self) -> None:
        self.claimed: list[Claimed] = []
        self.finished: list[Outcome] = []
        self.lost: list[LostJob] = []
        self.stats: list[WorkerStats] = []
        self.enqueued: list[str] = []
        self.workers: set[WorkerInfo] = set()

    @hookimpl
    def pgflow_after_enqueue(self, jobs: Sequence[Any]) -> None:
        self.enqueued += [job.id for job in jobs]

    @hookimpl
    def pgflow_jobs_claimed(self, worker: WorkerInfo, jobs: Sequence[Claimed]) -> None:
        self.claimed += jobs
        self.workers.add(worker)

    @hookimpl
    def pgflow_attempts_finished(self, worker: WorkerInfo, attempts: Sequence[Outcome]) -> None:
        self.finished += attempts
        self.workers.add(worker)

    @hookimpl
    def pgflow_jobs_lost(self, worker: WorkerInfo, jobs: Sequence[LostJob]) -> None:
        self.lost += jobs

    @hookimpl
    def pgflow_heartbeat(self, worker: WorkerInfo, stats: WorkerStats) -> None:
        self.stats.append(stats)


async def test_a_plugin_hears_of_each_job_from_its_enqueue_to_its_end(app_with: Callable[..., App]) -> None:
    ledger = Ledger()
    app = app_with(ledger)
    begun: set[int] = set()  # a retry at once may run before its failure is told

    @app.task(max_attempts=2, retry_policy=Fixed(0))
    async def fails_once(n: int) -> None:
        if n % 2 and n not in begun:
            begun.add(n)
            raise ConnectionError("not yet")

    jobs = await fails_once.aenqueue_many([((n,), {}) for n in range(10)])
    counts = await work(app)
    assert (counts["succeeded"], counts["failed"]) == (10, 5)
    assert sorted(ledger.enqueued) == sorted(job.id for job in jobs)
    assert len(ledger.claimed) == len(ledger.finished) == 15
    assert sum(outcome.kind == "succeeded" for outcome in ledger.finished) == 10
    [info] = ledger.workers
    assert info.queues == ("default",)
    assert info.tasks == (fails_once.name,)
    assert ledger.stats
    assert ledger.stats[0].slots == 100


async def test_only_stored_outcomes_are_told(app_with: Callable[..., App], db: psycopg.Connection[Any]) -> None:
    ledger = Ledger()
    app = app_with(ledger)
    running = anyio.Event()
    go = anyio.Event()

    @app.task
    async def waits() -> None:
        running.set()
        await go.wait()

    job = await waits.aenqueue()
    async with working(app) as worker:
        await running.wait()
        # another hand ends the run first: the worker's own outcome is dropped
        db.execute(
            "insert into pgflow.attempts (job_id, attempt, outcome, finished_at) values (%s, 1, 'cancelled', now())",
            [job.id],
        )
        go.set()
        await until(lambda: worker.flusher.dropped)
    assert ledger.finished == []


async def test_lost_jobs_are_told_by_whoever_reaps_them(
    app_with: Callable[..., App], db: psycopg.Connection[Any]
) -> None:
    ledger = Ledger()
    app = app_with(ledger)

    @app.task
    async def idles() -> None: ...

    job = await idles.aenqueue()
    db.execute("""
        with taken as (delete from pgflow.ready returning job_id, queue)
        insert into pgflow.leases (id, claimed_at, expires_at, suspect, alone, worker_id, queue, job_ids, attempts,
          spent)
        select gen_random_uuid(), now(), now() - interval '1 s', false, false, 'gone', queue, array[job_id], '{1}',
          '{0}'
        from taken""")
    async with working(app):
        await until(lambda: ledger.lost)
    assert ledger.lost == [LostJob(job.id, 1, "lost", "default", idles.name, "gone")]


@pytest.mark.parametrize(
    ("verdict", "state", "spent"),
    [
        (Dead("no use"), "dead", 1),
        (Retry(delay=3600), "retrying", 1),
        (Snooze(3600), "scheduled", 0),
        (None, "dead", 1),
    ],
)
async def test_a_plugin_says_what_becomes_of_a_failed_attempt(
    app_with: Callable[..., App], verdict: object, state: str, spent: int
) -> None:
    class Judge:
        @hookimpl
        def pgflow_attempt_failed(self, job: Claimed, error: BaseException) -> object:
            assert job.task == fails.name
            assert isinstance(error, KeyError)
            return verdict

    app = app_with(Judge())

    @app.task(max_attempts=5, retry_policy=lambda failures, error: None)
    def fails() -> None:
        raise KeyError("x")

    job = await fails.aenqueue()
    async with working(app) as worker:
        await until(worker.flusher.counts.total)
    row = await job.arefresh()
    assert (row.state, row.spent) == (state, spent)
    if isinstance(verdict, Dead):
        assert row.error_message == "KeyError: 'x' (no use)"


async def test_a_verdict_to_retry_says_when_and_not_whether(app_with: Callable[..., App]) -> None:
    class Judge:
        @hookimpl
        def pgflow_attempt_failed(self) -> object:
            return Retry(delay=0)

    app = app_with(Judge())

    @app.task(max_attempts=3)
    async def fails() -> None:
        raise ConnectionError("down")

    @app.task
    async def refuses() -> None:
        raise JobError("BAD_PAYLOAD", "no", retryable=False)

    jobs = [await fails.aenqueue(), await refuses.aenqueue()]
    counts = await work(app)
    assert (counts["failed"], counts["dead"]) == (2, 2)
    assert [(await job.arefresh()).reason_code for job in jobs] == ["MAX_ATTEMPTS_EXCEEDED", "NON_RETRYABLE"]


async def test_a_plugin_gives_a_task_its_retry_policy(app_with: Callable[..., App]) -> None:
    class Policies:
        @hookimpl
        def pgflow_retry_policy(self, task: Any) -> object:
            return Fixed(0) if task.name.endswith("hasty") else None

    app = app_with(Policies())

    @app.task(max_attempts=2)
    async def hasty() -> None:
        raise ConnectionError("down")

    @app.task(max_attempts=2, retry_policy=Fixed(3600))
    async def slow() -> None:
        raise ConnectionError("down")

    first, second = await hasty.aenqueue(), await slow.aenqueue()
    async with working(app) as worker:
        row = await until_final(first)
        await until(lambda: worker.flusher.counts.total() == 3)
    assert row.state == "dead"
    assert (await second.arefresh()).state == "retrying"


class Living:
    """Has a lifespan; says what happens in it."""

    def __init__(self, name: str = "living") -> None:
        self.name = name
        self.events: list[str] = []
        self.fails: str = ""

    @hookimpl
    def pgflow_lifespan(self, app: App, role: str) -> Any:
        return self.lifespan(app, role)

    @asynccontextmanager
    async def lifespan(self, app: App, role: str) -> AsyncIterator[None]:
        await anyio.sleep(0)
        if self.fails == "start":
            raise RuntimeError("no port")
        self.events.append(f"{role} starts")
        async with anyio.create_task_group() as group:
            if self.fails == "later":
                group.start_soon(self.fail)
            try:
                yield
            finally:
                group.cancel_scope.cancel()
                self.events.append("stops")
        if self.fails == "end":
            raise RuntimeError("cannot end")

    async def fail(self) -> None:
        await anyio.sleep(0.01)
        raise RuntimeError("background task failed")


async def test_a_lifespan_is_entered_before_the_first_claim_and_left_behind_the_last_flush(
    app_with: Callable[..., App],
) -> None:
    living = Living()
    app = app_with(living)

    @app.task
    async def runs() -> None:
        living.events.append("job runs")

    await runs.aenqueue()
    await work(app)
    assert living.events == ["worker starts", "job runs", "stops"]


async def test_a_lifespan_that_cannot_be_entered_fails_the_start(app_with: Callable[..., App]) -> None:
    living, other = Living(), Living("other")
    living.fails = "start"
    app = app_with(other, living)
    with pytest.raises(PluginError, match=r"plugin living: pgflow_lifespan failed: RuntimeError: no port"):
        await work(app)
    assert other.events in ([], ["worker starts", "stops"])


@pytest.mark.parametrize("when", ["later", "end"])
async def test_a_lifespan_that_fails_later_is_reported_and_the_worker_goes_on(
    app_with: Callable[..., App], when: str
) -> None:
    living, other = Living(), Living("other")
    living.fails = when
    app = app_with(living, other)

    @app.task
    async def runs() -> None: ...

    async with working(app):
        if when == "later":
            await until(lambda: app.hooks.errors)
        row = await until_final(await runs.aenqueue())
    assert row.state == "succeeded"
    assert app.hooks.errors == {("living", "pgflow_lifespan"): 1}
    assert other.events == ["worker starts", "stops"]


async def test_maintenance_comes_to_one_worker_at_a_time_each_interval(app_with: Callable[..., App]) -> None:
    rounds: list[str] = []

    class Tidies:
        @hookimpl
        def pgflow_maintenance(self, run: Any) -> None:
            assert run.goes_on()
            assert run.now().tzinfo
            rounds.append(run.worker.id)

    one, two = (app_with(Tidies(), maintenance_interval_secs=0.3, worker_id=f"worker-{n}") for n in (1, 2))
    async with working(one), working(two):
        await until(lambda: len(rounds) >= 1)
        before = len(rounds)
        started = anyio.current_time()
        await until(lambda: len(rounds) >= before + 3)
        assert anyio.current_time() - started > 0.5


async def test_a_failure_in_maintenance_leaves_the_others_their_turn(app_with: Callable[..., App]) -> None:
    tidied: list[bool] = []

    class Broken:
        @hookimpl
        def pgflow_maintenance(self) -> None:
            raise RuntimeError("broom lost")

    class Tidies:
        @hookimpl
        def pgflow_maintenance(self) -> None:
            tidied.append(True)

    app = app_with(Broken(), Tidies(), maintenance_interval_secs=0.1)
    async with working(app):
        await until(lambda: len(tidied) > 1)
    assert app.hooks.errors["broken", "pgflow_maintenance"] >= 1


async def test_a_worker_takes_the_queues_of_tasks_that_plugins_declare(app_with: Callable[..., App]) -> None:
    class Declares:
        @hookimpl
        def pgflow_configure(self, app: App) -> None:
            @app.task(queue="of-a-plugin")
            async def tidy() -> None: ...

    app = app_with(Declares())
    async with working(app):
        [name] = app.tasks
        row = await until_final(app.enqueue(name))
    assert (row.state, row.queue) == ("succeeded", "of-a-plugin")
