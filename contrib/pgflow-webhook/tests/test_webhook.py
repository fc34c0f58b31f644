"""Webhooks end to end: a job ends, a delivery job is made, a receiver is told and can check the signature."""

from __future__ import annotations

import ast
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from pgflow_webhook import Webhook, guard
from pgflow_webhook.signing import new_secret
from pgflow_webhook.subscriptions import listing, put, remove

from pgflow import App, ArgumentError, JobError, SettingsError
from pgflow.testing import assert_hook_called, drain

SOURCE = Path(__file__).parents[1] / "src" / "pgflow_webhook"
TEST = {"event": "test"}
FIRST = f"whsec_{base64.b64encode(b'k' * 32).decode()}"
PUBLIC = ("pgflow", "pgflow.admin", "pgflow.commands", "pgflow.testing")


def subscribe(app: App, url: str, **options: Any) -> None:
    app.db.run(put("shop", url, **{"secrets": [FIRST, new_secret()], **options}))


def work(app: App, backend: Any = "asyncio") -> Any:
    """Work until the jobs and then their deliveries have ended: the outbox sends what is left when a worker stops."""
    first = drain(app, backend=backend)
    return first, drain(app, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_receiver_is_told_of_the_end_of_a_job_and_can_check_who_tells(app: App, receiver: Any, backend: str) -> None:
    @app.task
    async def pack(order: int) -> None: ...

    subscribe(app, receiver.url)
    job = pack.enqueue(17)
    work(app, backend)
    [(headers, body)] = receiver.received
    told = json.loads(body)
    assert (told["event"], told["job_id"], told["task"]) == ("succeeded", job.id, pack.name)
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    first = base64.b64encode(hmac.digest(b"k" * 32, signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"].split(" ")[0] == f"v1,{first}"
    assert len(headers["webhook-signature"].split(" ")) == 2
    assert_hook_called(app, "pgflow_attempts_finished", plugin="webhook")


def test_deliveries_tell_of_no_deliveries(app: App, receiver: Any) -> None:
    subscribe(app, receiver.url)
    app.enqueue("pgflow_webhook.deliver", ["shop", TEST])
    first, second = work(app)
    assert (first.succeeded, second.succeeded) == (1, 0)
    assert len(receiver.received) == 1


def test_only_what_is_subscribed_to_is_told(app: App, receiver: Any) -> None:
    @app.task(max_attempts=1)
    def fail() -> None:
        raise ValueError("no")

    @app.task
    def pack() -> None: ...

    subscribe(app, receiver.url, events=["dead"])
    pack.enqueue()
    fail.enqueue()
    work(app)
    [(_, body)] = receiver.received
    assert (json.loads(body)["event"], json.loads(body)["error_code"]) == ("dead", "UNKNOWN")


def test_a_receiver_that_fails_is_tried_again_and_then_well(app: App, receiver: Any) -> None:
    subscribe(app, receiver.url)
    receiver.statuses = [500, 503, 200]
    receiver.headers = {"retry-after": "1"}
    app.enqueue("pgflow_webhook.deliver", ["shop", TEST])
    counts = drain(app)
    assert (counts.failed, counts.succeeded) == (2, 1)
    assert len({headers["webhook-id"] for headers, _ in receiver.received}) == 1
    [shop] = app.db.run(listing())
    assert shop.last_error is None
    assert shop.failed_at is not None


@pytest.mark.parametrize("status", [301, 400, 404])
def test_a_refusal_is_not_repeated_and_a_redirect_not_followed(app: App, receiver: Any, status: int) -> None:
    subscribe(app, receiver.url)
    receiver.statuses = [status]
    receiver.headers = {"location": "http://127.0.0.1:1/"}
    job = app.enqueue("pgflow_webhook.deliver", ["shop", TEST])
    drain(app)
    row = job.refresh()
    assert (row.state, row.error_code, row.reason_code) == ("dead", "REFUSED", "NON_RETRYABLE")
    [check] = [c for c in app.hooks.health(app) if c.name == "webhooks"]
    assert not check.ok
    assert str(status) in check.detail


def test_a_receiver_that_is_gone_is_told_no_more(app: App, receiver: Any) -> None:
    subscribe(app, receiver.url)
    receiver.statuses = [410]
    for _ in range(2):
        app.enqueue("pgflow_webhook.deliver", ["shop", TEST])
        drain(app)
    assert len(receiver.received) == 1
    assert app.db.run(listing())[0].active is False


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "172.16.5.5", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",  # noqa: S104
        "240.0.0.1", "255.255.255.255", "192.0.0.8", "::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fec0::1",
        "ff02::1", "::ffff:127.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_addresses_inside_the_network_are_refused(address: str) -> None:
    assert guard.is_inside(address)
    with pytest.raises(JobError, match=r"inside the network") as refusal:
        guard.addresses_of(address, 80, allow_private=False)
    assert refusal.value.retryable is False


@pytest.mark.parametrize("address", ["1.1.1.1", "93.184.215.14", "2606:4700:4700::1111"])
def test_public_addresses_are_let_through(address: str) -> None:
    [(_, place)] = guard.addresses_of(address, 443, allow_private=False)
    assert place[0] == address


def test_by_default_nothing_inside_is_told(plugin_app: Callable[..., App], receiver: Any) -> None:
    app = plugin_app(Webhook())
    subscribe(app, receiver.url)
    job = app.enqueue("pgflow_webhook.deliver", ["shop", TEST])
    drain(app)
    assert job.refresh().error_code == "ADDRESS_REFUSED"
    assert receiver.received == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "ftp://x/"},
        {"url": "http://u:p@x/"},
        {"url": "nowhere"},
        {"url": "http://x:99999/"},
        {"url": "http://x/ y"},
        {"url": "http://x/\r\nhost: y"},
        {"url": "http://[::1"},
        {"url": f"http://x/{'y' * 2_000}"},
        {"events": ["lunch"]},
        {"events": []},
        {"queue": "a b"},
        {"secrets": []},
        {"secrets": ["s3"]},
        {"secrets": ["whsec_c2hvcnQ="]},
    ],
)
def test_what_cannot_be_subscribed_is_refused(app: App, wrong: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError) as refusal:
        subscribe(app, **{"url": "https://example.com/", **wrong})
    assert "c2hvcnQ=" not in str(refusal.value)


def test_settings_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_WEBHOOK_TIMEOUT", "3")
    with pytest.raises(SettingsError, match="did you mean PGFLOW_WEBHOOK_TIMEOUT_SECONDS"):
        _ = App("shop", plugins=[Webhook()]).hooks


def test_the_endpoints_list_store_test_and_remove_and_show_no_secret(app: App) -> None:
    async def ask() -> None:
        transport = httpx.ASGITransport(app.admin_asgi(), client=("127.0.0.1", 1))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            made = await client.post(
                "/webhooks", json={"name": "shop", "url": "https://example.com/", "secrets": [FIRST]}
            )
            assert (made.status_code, made.json()) == (201, {"name": "shop"})
            assert (await client.post("/webhooks", json={"name": "x", "url": "ftp://xxxx"})).status_code == 422
            shown = await client.get("/webhooks")
            assert [item["name"] for item in shown.json()["items"]] == ["shop"]
            assert FIRST not in shown.text
            assert (await client.post("/webhooks/shop/test")).status_code == 201
            assert (await client.post("/webhooks/none/test")).status_code == 404
            assert "/webhooks/{name}/test" in (await client.get("/openapi.json")).text
            assert (await client.delete("/webhooks/shop")).status_code == 204

    anyio.run(ask)
    assert app.db.run(remove("shop")) is False


def test_it_is_made_of_public_names_alone() -> None:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("pgflow.") or name in PUBLIC, f"{path.name} imports {name}"
