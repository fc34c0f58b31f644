"""Retries: who says when a failed run comes back, and how a storm of them is kept behind fresh work."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from moves import claim, ended, put
from pgflow import App, Exponential, Fixed, JobError, Linear, OutcomeKind, Retry, SettingsError, TaskDefinitionError
from pgflow.plugins.retry import RetryPolicies
from pgflow.plugins.retry.budget import FURTHEST_SECONDS, WINDOW_SECONDS, Budget
from workers import until_final, work, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow import Claimed
    from pgflow.store.pool import Pool


@pytest.fixture
def make_app(migrated_url: str) -> Iterator[Callable[..., App]]:
    """Make apps on the test's database, with retry settings of their own."""
    made: list[App] = []

    def make(**settings: Any) -> App:
        quick = {"poll_interval_ms": 50, "dataset_bucket": "none"}
        made.append(App("tests", dsn=migrated_url, plugins=[RetryPolicies(**settings)], **quick))
        return made[-1]

    yield make
    for app in made:
        app.close()


def policy(app: App, task: Any) -> Any:
    """The policy that holds for a task."""
    assert app.hooks
    return task.wiring.policy


# policies


def test_each_error_has_its_policy_and_the_nearest_class_wins(make_app: Any) -> None:
    app = make_app()

    @app.task(
        retry_policy=30,
        retry_for={
            OSError: 1,
            ConnectionError: timedelta(minutes=1),
            ConnectionResetError: Linear(step=5),
            KeyError: lambda failures, error: None,
        },
    )
    def fetch() -> None: ...

    delays = policy(app, fetch)
    assert delays(1, FileNotFoundError()) == 1
    assert delays(1, ConnectionRefusedError()) == 60
    assert delays(2, ConnectionResetError()) == 10
    assert delays(1, KeyError()) is None
    assert delays(1, ValueError()) == 30


@pytest.mark.parametrize("given", [{"OSError": 1}, {int: 1}, {OSError: -1}, {OSError: "soon"}, {OSError: True}, 5])
def test_what_is_no_policy_by_error_is_refused_where_it_is_declared(make_app: Any, given: object) -> None:
    with pytest.raises(TaskDefinitionError, match="retry_for"):

        @make_app().task(retry_for=given)
        def declared() -> None: ...


@pytest.mark.parametrize("keywords", [{"dont_autoretry_for": OSError}, {"autoretry_for": (KeyError,)}])
def test_a_policy_for_an_error_that_is_never_tried_again_fails_the_start(make_app: Any, keywords: Any) -> None:
    app = make_app()

    @app.task(retry_for={ConnectionError: 1}, **keywords)
    def fetch() -> None: ...

    with pytest.raises(TaskDefinitionError, match=r"fetch: retry_for names ConnectionError, which autoretry_for"):
        assert app.hooks


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, Exponential()),
        ({"base_seconds": 1, "factor": 3, "cap_seconds": 60, "jitter": False},
         Exponential(base=1, factor=3, cap=60, jitter=False)),
        ({"policy": "linear"}, Linear()),
        ({"policy": "linear", "base_seconds": 4, "cap_seconds": 60}, Linear(step=4, cap=60)),
        ({"policy": "fixed", "base_seconds": 7}, Fixed(7)),
    ],
)  # fmt: skip
def test_the_settings_make_the_policy_of_tasks_that_declare_none(make_app: Any, settings: Any, expected: Any) -> None:
    app = make_app(**settings)

    @app.task
    def plain() -> None: ...

    @app.task(retry_policy=Exponential())
    def own() -> None: ...

    @app.task(retry_for={OSError: 1})
    def by_error() -> None: ...

    assert policy(app, plain) == expected
    assert policy(app, own) is own.declared.retry_policy
    assert policy(app, by_error).otherwise == expected


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"POLICY": "fixed"}, r"PGFLOW_RETRY_BASE_SECONDS: .*PGFLOW_RETRY_POLICY=fixed needs it"),
        ({"POLICY": "linear", "FACTOR": "2"}, r"PGFLOW_RETRY_FACTOR: .*PGFLOW_RETRY_POLICY=linear has no factor"),
        ({"POLICY": "fixed", "BASE_SECONDS": "1", "CAP_SECONDS": "9"}, r"PGFLOW_RETRY_CAP_SECONDS: .*no cap_seconds"),
        ({"POLICY": "random"}, r"PGFLOW_RETRY_POLICY: .*exponential, linear or fixed"),
        ({"BUDGET_PERCENT": "-1"}, r"PGFLOW_RETRY_BUDGET_PERCENT: .*got '-1'"),
        ({"BUDGET": "10"}, r"PGFLOW_RETRY_BUDGET is an unknown variable"),
    ],
)
def test_a_setting_that_cannot_be_read_or_means_nothing_is_refused(
    make_app: Any, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"PGFLOW_RETRY_{name}", value)
    with pytest.raises(SettingsError, match=said):
        assert make_app().hooks


# the budget


def held(budget: Budget) -> Budget:
    """A budget that holds, as in a worker."""
    budget.hold()
    return budget


def test_retries_within_the_budget_pass_at_once_and_a_storm_stands_in_line() -> None:
    budget = held(Budget(percent=20, floor=1))
    budget.worked({"q": 1000}, now=100.0)  # 100 a second, so 20 retries a second
    waits = [budget.wait("q", now=100.0) for _ in range(20 * WINDOW_SECONDS + 100)]
    assert set(waits[: 20 * WINDOW_SECONDS]) == {0.0}
    assert waits[20 * WINDOW_SECONDS :] == pytest.approx([n / 20 for n in range(1, 101)], abs=2e-3)


def test_fresh_work_of_ten_seconds_ago_counts_no_more_and_the_floor_is_left() -> None:
    budget = held(Budget(percent=100, floor=2))
    budget.worked({"q": 5000}, now=100.0)
    assert [budget.wait("q", now=109.5) for _ in range(1000)][-1] == 0.0
    assert sum(not budget.wait("other", now=109.5) for _ in range(100)) == 2 * WINDOW_SECONDS
    storm = held(Budget(percent=100, floor=2))
    storm.worked({"q": 5000}, now=100.0)
    assert sum(not storm.wait("q", now=110.0) for _ in range(100)) == 2 * WINDOW_SECONDS


def test_a_storm_is_put_off_an_hour_at_most() -> None:
    budget = held(Budget(percent=1, floor=0.001))
    assert max(budget.wait("q", now=1.0) for _ in range(20)) == FURTHEST_SECONDS


def test_no_place_in_line_is_given_twice_to_many_threads() -> None:
    budget = held(Budget(percent=1, floor=100))
    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(lambda _: budget.wait("q", now=100.0), range(1400)))
    later = sorted(wait for wait in waits if wait)
    assert later == pytest.approx([n / 100 for n in range(1, 401)], abs=2e-3)


def test_a_process_that_is_no_worker_puts_nothing_off() -> None:
    assert {Budget(percent=1, floor=0.01).wait("q") for _ in range(50)} == {0.0}


def test_only_what_comes_back_is_put_off_and_by_its_own_delay_too(make_app: Any, pool: Pool) -> None:
    app = make_app(budget_percent=1, budget_floor=0.01)
    put(pool, 1, max_attempts=3)
    [job] = claim(pool)

    @app.task(name="tests.task", retry_policy=7, dont_autoretry_for=KeyError)
    def task() -> None: ...

    hooks = app.hooks
    assert put_off(app, job, ValueError()) is None, "nothing was claimed yet"
    hooks.jobs_claimed(None, [job])
    given_up = [
        (job, KeyError()),
        (job, JobError("NO", retryable=False)),
        (job._replace(spent=2), ValueError()),
        (job._replace(task="a.stranger"), ValueError()),
    ]
    assert [put_off(app, *one) for one in given_up] == [None] * 4
    assert put_off(app, job, ValueError()) == pytest.approx(7 + 90, abs=1)
    assert put_off(app, job, Retry(delay=timedelta(seconds=50))) == pytest.approx(50 + 190, abs=1)
    assert put_off(app, job._replace(queue="other"), JobError("YES")) == pytest.approx(7 + 90, abs=1)


def put_off(app: App, job: Claimed, error: BaseException) -> float | None:
    """The delay the plugin asks for."""
    verdict = app.hooks.attempt_failed(job, error)
    return verdict.delay if isinstance(verdict, Retry) else None  # type: ignore[return-value]


def test_fresh_work_is_first_runs_and_retries_that_succeed(make_app: Any, pool: Pool) -> None:
    app = make_app(budget_percent=100, budget_floor=1)
    put(pool, 1)
    [job] = claim(pool)
    again = job._replace(spent=1)
    plugin: Any = app.hooks.plugins.named("retry")
    fresh = [ended(job), ended(job, OutcomeKind.FAILED), ended(again)]
    others = [ended(again, OutcomeKind.FAILED), ended(job, OutcomeKind.RELEASED), ended(job, OutcomeKind.SNOOZED)]
    app.hooks.attempts_finished(None, [*fresh, *others])
    assert sum(counts["default"] for counts in plugin._budget._fresh.values()) == 3


def test_without_a_budget_nothing_is_put_off(make_app: Any, pool: Pool) -> None:
    app = make_app()
    put(pool, 1)
    [job] = claim(pool)

    @app.task(name="tests.task")
    def task() -> None: ...

    app.hooks.jobs_claimed(None, [job])
    assert {put_off(app, job, ValueError()) for _ in range(500)} == {None}


# with a worker


@pytest.mark.anyio
async def test_a_worker_retries_by_the_error_s_policy(make_app: Any, db: Any) -> None:
    app = make_app()

    @app.task(max_attempts=3, retry_policy=3600, retry_for={OSError: 0.01, KeyError: lambda failures, error: None})
    async def fetch(key: str) -> None:
        raise {"os": ConnectionResetError("gone"), "key": KeyError("k")}[key]

    by_os, by_key = await fetch.aenqueue("os"), await fetch.aenqueue("key")
    await work(app)
    assert [(row.state, row.attempt) for row in [await by_os.arefresh(), await by_key.arefresh()]] == [
        ("dead", 3),
        ("dead", 1),
    ]


@pytest.mark.anyio
async def test_a_storm_of_retries_is_spread_and_fresh_work_goes_on(make_app: Any, db: Any) -> None:
    app = make_app(budget_percent=1, budget_floor=1)
    started = time.monotonic()

    @app.task(max_attempts=50, retry_policy=0.01)
    async def storm() -> None:
        raise ConnectionResetError

    @app.task
    async def fresh() -> None: ...

    await storm.aenqueue()
    async with working(app):
        jobs = await storm.aenqueue_many([((), {})] * 200)
        assert (await until_final(await fresh.aenqueue())).state == "succeeded"
        for _ in range(3):
            await until_final(await fresh.aenqueue())
    runs = db.execute("select count(*) from pgflow.attempts where outcome = 'failed'").fetchone()[0]
    seconds = time.monotonic() - started
    # 201 first runs, 10 s worth of retries at once, and one a second; without a budget, a thousand in a second
    assert len(jobs) == 200
    assert runs <= 201 + WINDOW_SECONDS + 2 * seconds
