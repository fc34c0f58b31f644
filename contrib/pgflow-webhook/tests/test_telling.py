"""Who is told, also where a worker is killed, a database away, or an outbox full."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from pgflow_webhook import Webhook
from pgflow_webhook import outbox as outboxes
from pgflow_webhook.outbox import Outbox, OutboxFullError
from pgflow_webhook.settings import WebhookSettings
from pgflow_webhook.signing import new_secret
from pgflow_webhook.subscriptions import listing, put
from pgflow_webhook.telling import catch_up, tell

from pgflow import App, JobError, JobRejected, LostJob, SettingsError, WorkerInfo, hookimpl
from pgflow.admin import Maintenance
from pgflow.testing import drain, hook_calls

WORKER = WorkerInfo("w", "here", 1, "asyncio", ("default",), ("shop.charge",))


def subscribe(app: App, url: str, **options: Any) -> None:
    app.db.run(put("shop", url, secrets=[new_secret()], **options))


class Round(Maintenance):
    """A round whose turn lasts."""

    def goes_on(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def no_rounds_but_the_tests_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the workers of the tests from catching up by themselves, at a time of their own."""
    monkeypatch.setattr("pgflow_webhook.telling.catch_up", lambda _: 0)


def round_of(app: App) -> int:
    """Do a round of the plugin's maintenance; gives how many deliveries it has made."""
    return catch_up(Round(app, WORKER, app.db))


def declare(app: App) -> Any:
    @app.task(name="shop.charge", max_attempts=1)
    def charge(order: int) -> None:
        raise JobError("CARD_DECLINED", f"order {order}")

    return charge


def event(**more: Any) -> dict[str, Any]:
    """An event as the outbox makes them."""
    job_id = "01900000-0000-7000-8000-000000000000"
    return {"event": "dead", "job_id": job_id, "attempt": 1, "task": "shop.charge", "queue": "default", **more}


def test_a_death_that_a_killed_worker_told_nobody_of_is_told_by_maintenance(
    app: App, receiver: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    charge = declare(app)
    subscribe(app, receiver.url)
    assert round_of(app) == 0
    with monkeypatch.context() as killed:
        killed.setattr(Outbox, "put", lambda *_: None)
        job = charge.enqueue(1)
        assert drain(app).dead == 1
    assert (round_of(app), round_of(app)) == (1, 0)
    drain(app)
    [(headers, body)] = receiver.received
    assert headers["webhook-id"] == f"msg_{job.id}_1"
    told = json.loads(body)
    assert (told["event"], told["job_id"], told["error_code"]) == ("dead", job.id, "CARD_DECLINED")
    assert told["reason_code"] == "MAX_ATTEMPTS_EXCEEDED"


def test_a_death_that_was_told_is_not_told_again_by_maintenance(app: App, receiver: Any) -> None:
    charge = declare(app)
    subscribe(app, receiver.url, events=["dead"])
    assert round_of(app) == 0
    charge.enqueue(1)
    drain(app)
    assert round_of(app) == 0
    drain(app)
    assert len(receiver.received) == 1


def test_deaths_before_a_subscription_are_not_told(app: App, receiver: Any) -> None:
    charge = declare(app)
    assert round_of(app) == 0
    charge.enqueue(1)
    drain(app)
    subscribe(app, receiver.url)
    assert round_of(app) == 0


def test_many_pages_of_deaths_are_caught_up_with(app: App, receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    charge = declare(app)
    subscribe(app, receiver.url)
    round_of(app)
    monkeypatch.setattr(Outbox, "put", lambda *_: None)
    monkeypatch.setattr("pgflow_webhook.telling.PAGE", 2)
    charge.enqueue_many([((order,), {}) for order in range(5)])
    drain(app)
    assert (round_of(app), round_of(app)) == (5, 0)


def test_what_a_crash_ended_is_told(app: App, receiver: Any) -> None:
    subscribe(app, receiver.url)
    outbox = Outbox(app, WebhookSettings.read())
    lost = LostJob("01900000-0000-7000-8000-000000000000", 3, "lost", "default", "shop.charge", "w")
    outbox.put_lost([lost, lost._replace(outcome="dead"), lost._replace(task="pgflow_webhook.deliver", outcome="dead")])
    assert tell(app, list(outbox._held)) == 1  # noqa: SLF001 - a test may look inside
    drain(app)
    [(_, body)] = receiver.received
    told = json.loads(body)
    assert (told["event"], told["reason_code"], told["attempt"]) == ("dead", "WORKER_CRASHED", 3)


def test_each_subscription_that_fits_is_told_and_no_other(app: App) -> None:
    for name, options in {
        "all": {}, "mine": {"queue": "default"}, "theirs": {"queue": "mail"}, "ships": {"task": "shop.ship"},
        "well": {"events": ["succeeded"]},
    }.items():  # fmt: skip
        app.db.run(put(name, "https://example.com/", secrets=[new_secret()], **options))
    assert tell(app, [event()]) == 2
    assert tell(app, [event()]) == 0
    assert tell(app, [event(event="succeeded")]) == 3


def test_a_full_outbox_says_so_and_counts(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outboxes, "HELD_MOST", 1)
    outbox = Outbox(app, WebhookSettings.read())
    lost = LostJob("01900000-0000-7000-8000-000000000000", 1, "dead", "default", "shop.charge", "w")
    with pytest.raises(OutboxFullError, match="2 events found the outbox full"):
        outbox.put_lost([lost] * 3)
    assert outbox.dropped == 2


class NoWebhooks:
    """A guardrail that lets no delivery pass."""

    def __init__(self) -> None:
        self.heard: list[BaseException] = []

    @hookimpl
    def pgflow_before_enqueue(self, jobs: list[Any]) -> None:
        if jobs[0].task == "pgflow_webhook.deliver":
            raise JobRejected("NO_WEBHOOKS", "not today", job=jobs[0])

    @hookimpl
    def pgflow_error(self, error: BaseException) -> None:
        self.heard.append(error)


def test_deliveries_that_are_refused_are_reported_and_the_worker_goes_on(
    plugin_app: Callable[..., App], receiver: Any
) -> None:
    guardrail = NoWebhooks()
    app = plugin_app(Webhook(allow_private=True), guardrail)
    charge = declare(app)
    subscribe(app, receiver.url)
    round_of(app)
    for order in (1, 2):
        charge.enqueue(order)
        assert drain(app).dead == 1
    assert [str(error) for error in guardrail.heard] == ["NO_WEBHOOKS: not today"] * 2
    with pytest.raises(JobRejected):
        round_of(app)


def test_a_url_in_the_settings_is_a_subscription(plugin_app: Callable[..., App], receiver: Any) -> None:
    old, new = new_secret(), new_secret()
    app = plugin_app(Webhook(allow_private=True, url=receiver.url, secrets=f"{new},{old}"))
    charge = declare(app)
    charge.enqueue(1)
    drain(app)
    drain(app)
    [(headers, _)] = receiver.received
    assert len(headers["webhook-signature"].split(" ")) == 2
    [found] = app.db.run(listing())
    assert (found.name, found.secrets, found.events) == ("settings", (new, old), ("dead",))
    assert new not in repr(found)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"url": "https://example.com/"}, "PGFLOW_WEBHOOK_URL needs PGFLOW_WEBHOOK_SECRETS"),
        ({"url": "https://example.com/", "secrets": "hunter2hunter2"}, "number 1 is no secret"),
        ({"url": "ftp://example.com/", "secrets": new_secret()}, "PGFLOW_WEBHOOK_URL: url must be"),
        ({"url": "https://example.com/", "secrets": new_secret(), "events": "lunch"}, "PGFLOW_WEBHOOK_EVENTS"),
    ],
)
def test_a_url_of_the_settings_is_checked_at_start(given: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as refusal:
        _ = App("shop", plugins=[Webhook(**given)]).hooks
    assert "hunter2" not in str(refusal.value)


def test_maintenance_is_called_as_a_hook(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgflow_webhook.telling.catch_up", catch_up)
    app.hooks.maintenance(Maintenance(app, WORKER, app.db))
    assert hook_calls(app, "pgflow_maintenance", plugin="webhook")
    assert not app.hooks.errors
