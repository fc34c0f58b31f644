"""The endpoints under /webhooks, and a panel."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from pgflow import ArgumentError, Panel
from pgflow.admin import Answer, Call, Endpoint, Problem
from pgflow_webhook.delivery import test_event
from pgflow_webhook.signing import new_secret
from pgflow_webhook.subscriptions import EVENTS, listing, named, put, remove


class NewSubscription(BaseModel):
    """Who is to be told of what. Without a secret one is made, and shown this once."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128)
    url: str = Field(min_length=8, max_length=2_000)
    secrets: list[str] = Field(default_factory=list, max_length=5)
    events: list[Literal["succeeded", "dead", "cancelled", "expired"]] = Field(default=list(EVENTS), min_length=1)
    queue: str | None = None
    task: str | None = None


class Subscriptions(BaseModel):
    """Every subscription, without its secrets."""

    items: list[dict[str, Any]]


def list_webhooks(call: Call) -> dict[str, object]:
    """Answer GET /webhooks."""
    return {"items": [subscription.shown() for subscription in call.app.reads.run(listing())]}


def put_webhook(call: Call) -> dict[str, object]:
    """Answer POST /webhooks."""
    wanted: NewSubscription = call.body
    secrets = wanted.secrets or [new_secret()]
    given = wanted.model_dump(exclude={"name", "url", "secrets"})
    try:
        call.app.db.run(put(wanted.name, wanted.url, secrets=secrets, **given))
    except ArgumentError as error:
        raise Problem(422, "BAD_SUBSCRIPTION", str(error)) from None
    call.note.update(name=wanted.name, url=wanted.url)
    return {"name": wanted.name, **({} if wanted.secrets else {"new_signing_key": secrets[0]})}


def remove_webhook(call: Call) -> Answer:
    """Answer DELETE /webhooks/{name}."""
    if not call.app.db.run(remove(call.path["name"])):
        raise _unknown(call.path["name"])
    return Answer(None, 204)


def test_webhook(call: Call) -> dict[str, object]:
    """Answer POST /webhooks/{name}/test."""
    name = call.path["name"]
    if call.app.db.run(named(name)) is None:
        raise _unknown(name)
    return {"job_id": test_event(call.app, name)}


def _unknown(name: str) -> Problem:
    return Problem(404, "WEBHOOK_NOT_FOUND", f"there is no webhook {name}: GET /webhooks lists them")


def _rows(app: Any) -> list[tuple[str, str]]:
    return [(s.name, s.last_error or ("on" if s.active else "off")) for s in app.reads.run(listing())]


PANEL: Final = Panel("Webhooks", "overview", _rows)
ENDPOINTS: Final = (
    Endpoint(
        method="GET", path="/webhooks", name="list_webhooks", summary="List webhooks", scope="read",
        answer=list_webhooks, response=Subscriptions, tag="webhooks",
    ),
    Endpoint(
        method="POST", path="/webhooks", name="put_webhook", summary="Store a webhook", scope="admin",
        answer=put_webhook, body=NewSubscription, response=dict[str, object], status=201, errors=(422,), changes=True,
        tag="webhooks",
    ),
    Endpoint(
        method="DELETE", path="/webhooks/{name}", name="remove_webhook", summary="Remove a webhook", scope="admin",
        answer=remove_webhook, status=204, errors=(404,), changes=True, tag="webhooks",
    ),
    Endpoint(
        method="POST", path="/webhooks/{name}/test", name="test_webhook", summary="Send a test to a webhook",
        scope="operate", answer=test_webhook, response=dict[str, str], status=201, errors=(404,), changes=True,
        tag="webhooks",
    ),
)  # fmt: skip
