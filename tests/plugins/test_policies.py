"""Policies: whose limits count, how soon a change is seen, and what follows where the limits cannot be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from pgflow import App, Claim, SettingsError, WorkerInfo
from pgflow.plugins import policies
from pgflow.plugins.policies import Policies
from pgflow.store.admin import act, look
from workers import until, working

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

anyio_only = pytest.mark.anyio
WORKER = WorkerInfo("w1", "host", 1, "asyncio", ("mail",), ())


@pytest.fixture
def make_app(migrated_url: str) -> Iterator[Callable[..., App]]:
    """Make apps on the test's database, each with policies of its own."""
    made: list[App] = []

    def make(plugin: Policies | None = None, **settings: Any) -> App:
        quick = {"poll_interval_ms": 100, "dataset_bucket": "none", "shutdown_grace_seconds": 5, **settings}
        made.append(App("tests", dsn=migrated_url, plugins=[plugin or Policies()], **quick))
        return made[-1]

    yield make
    for app in made:
        app.close()


def judged(app: App, queue: str = "mail", **fields: Any) -> Claim:
    """What the hooks make of a claim."""
    claim = Claim(app, WORKER, queue, 100, **fields)
    app.hooks.before_claim(claim)
    return claim


def limits(claim: Claim) -> tuple[int, int | None, int | None, float]:
    """What a claim is limited to."""
    return claim.limit, claim.max_in_flight, claim.rate, claim.rest_seconds


@anyio_only
async def test_what_operators_set_outranks_what_code_says_limit_by_limit(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "LOOK_SECONDS", 0.05)
    plugin = Policies(limits={"mail": {"max_in_flight": 10, "throttle_delay_ms": 250}})
    app = make_app(plugin)
    app.hooks.has("pgflow_before_claim")
    app.db.run(act.set_limits("mail", max_attempts_per_minute=60))
    lifespan = plugin.pgflow_lifespan(app, "worker")
    assert lifespan is not None
    assert plugin.pgflow_lifespan(app, "admin") is None
    async with lifespan:
        assert limits(judged(app)) == (100, 10, 60, 0.25)
        assert limits(judged(app, "other")) == (100, None, None, 1.0)
        app.db.run(act.set_limits("mail", max_in_flight=3, throttle_delay_ms=0))
        await until(lambda: limits(judged(app)) == (100, 3, 60, 0.0), 5)
        app.db.run(act.set_limits("mail", max_in_flight=None, max_attempts_per_minute=None))
        await until(lambda: limits(judged(app)) == (100, 10, None, 0.0), 5)


@anyio_only
async def test_a_stricter_limit_of_another_plugin_stays(make_app: Callable[..., App]) -> None:
    plugin = Policies(limits={"mail": {"max_in_flight": 10, "max_attempts_per_minute": 60}})
    app = make_app(plugin)
    app.hooks.has("pgflow_before_claim")
    lifespan = plugin.pgflow_lifespan(app, "worker")
    assert lifespan is not None
    async with lifespan:
        assert limits(judged(app, max_in_flight=2, rate=600))[1:3] == (2, 60)


@anyio_only
async def test_a_paused_queue_is_held_back_with_the_reason(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policies, "LOOK_SECONDS", 0.05)
    plugin = Policies()
    app = make_app(plugin)
    app.db.run(act.pause("mail", "stocktaking"))
    lifespan = plugin.pgflow_lifespan(app, "worker")
    assert lifespan is not None
    async with lifespan:
        claim = judged(app)
        assert (claim.limit, claim.reason_code, claim.reason) == (0, "QUEUE_PAUSED", "stocktaking")
        app.db.run(act.resume("mail"))
        await until(lambda: judged(app).limit == 100, 5)


def test_a_queue_whose_limits_are_not_known_is_held_back(make_app: Callable[..., App]) -> None:
    app = make_app()
    claim = judged(app)
    assert (claim.limit, claim.reason_code) == (0, "LIMITS_UNKNOWN")
    assert "have not been read" in claim.reason


@anyio_only
async def test_looking_goes_on_after_a_fault_and_limits_too_old_hold_back(
    make_app: Callable[..., App], db: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = Policies()
    app = make_app(plugin)
    app.hooks.has("pgflow_before_claim")
    app.db.run(act.set_limits("mail", max_in_flight=5))
    monkeypatch.setattr(policies, "LOOK_SECONDS", 0.02)
    monkeypatch.setattr(policies, "IDLE_SECONDS", 0.02)
    lifespan = plugin.pgflow_lifespan(app, "worker")
    assert lifespan is not None
    async with lifespan:
        db.execute("alter table pgflow.queues rename to gone")
        await until(lambda: "cannot look at the limits of queues" in caplog.text)
        assert judged(app).max_in_flight == 5
        monkeypatch.setattr(policies, "STALE_SECONDS", 0.2)
        await until(lambda: judged(app).reason_code == "LIMITS_UNKNOWN")
        assert "have not been read for" in judged(app).reason
        monkeypatch.setattr(policies, "STALE_SECONDS", 30.0)
        db.execute("update pgflow.gone set max_in_flight = 6")
        db.execute("alter table pgflow.gone rename to queues")
        await until(lambda: judged(app).max_in_flight == 6)
    assert caplog.text.count("cannot look at the limits of queues") == 1


def test_limits_are_read_from_the_environment_too(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGFLOW_POLICIES_LIMITS", '{"mail": {"max_in_flight": 4}}')
    assert policies.PoliciesSettings.read().limits["mail"].max_in_flight == 4
    assert policies.PoliciesSettings.read(limits={"sms": {"max_in_flight": 1}}).limits.keys() == {"sms"}
    make_app().hooks.has("pgflow_before_claim")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"mail": {"max_in_flight": 0}}', "greater than or equal to 1"),
        ('{"mail": {"most_in_flight": 2}}', "Extra inputs are not permitted"),
        ("mail=10", "Expecting value"),
        ("[1]", "valid dictionary"),
    ],
)
def test_limits_that_cannot_be_read_fail_the_start_by_name(
    make_app: Callable[..., App], monkeypatch: pytest.MonkeyPatch, text: str, said: str
) -> None:
    monkeypatch.setenv("PGFLOW_POLICIES_LIMITS", text)
    with pytest.raises(SettingsError, match=f"PGFLOW_POLICIES_LIMITS: .*{said}"):
        make_app().hooks.has("pgflow_before_claim")


@anyio_only
async def test_two_workers_keep_one_limit_together(make_app: Callable[..., App]) -> None:
    at_starts: list[int] = []
    now = 0

    def declare(app: App) -> Any:
        @app.task(name="tests.shared")
        async def shared() -> None:
            nonlocal now
            now += 1
            at_starts.append(now)
            await anyio.sleep(0.02)
            now -= 1

        return shared

    first, second = make_app(), make_app()
    task, _ = declare(first), declare(second)
    first.db.run(act.set_limits("default", max_in_flight=3, throttle_delay_ms=50))
    await task.aenqueue_many([((), {}) for _ in range(60)])
    async with working(first), working(second):
        await until(lambda: len(at_starts) == 60)
    assert max(at_starts) == 3
    [made, *_] = first.db.run(look.decisions(kind="policy"))
    assert made.reason_code == "IN_FLIGHT_EXCEEDED"
