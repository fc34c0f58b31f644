"""Subscriptions: who is told of what."""

from __future__ import annotations

import secrets as random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pgflow import ArgumentError
from pgflow.admin import Statement, check_name, first_column, load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

EVENTS: Final = ("succeeded", "dead", "cancelled", "expired")
SECRET_BYTES: Final = 24

LISTING: Final = load("listing", package=__package__)
PUT: Final = load("put", package=__package__)
REMOVE: Final = load("remove", package=__package__)
SWITCH_OFF: Final = load("switch_off", package=__package__)
NOTE_FAILURE: Final = load("note_failure", package=__package__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One receiver. Deliveries are signed with every one of its secrets, so that they can be rotated."""

    name: str
    url: str
    secrets: tuple[str, ...]
    events: tuple[str, ...]
    queue: str | None
    task: str | None
    active: bool
    why_inactive: str | None
    failed_at: datetime | None
    last_error: str | None

    def wants(self, event: str, queue: str, task: str | None) -> bool:
        """Say whether it is to be told of the end of such a job."""
        return self.active and event in self.events and self.queue in (None, queue) and self.task in (None, task)

    def shown(self) -> dict[str, Any]:
        """Give what people may see of it: all but its secrets."""
        return {
            "name": self.name, "url": self.url, "events": list(self.events), "queue": self.queue, "task": self.task,
            "active": self.active, "why_inactive": self.why_inactive,
            "failed_at": self.failed_at and self.failed_at.isoformat(), "last_error": self.last_error,
        }  # fmt: skip


def listing() -> Statement[list[Subscription]]:
    """List every subscription."""
    return Statement(LISTING, {}, lambda rows: [_read(row) for row in rows])


def named(name: str) -> Statement[Subscription | None]:
    """Read one subscription; None where there is none of that name."""
    return Statement(LISTING, {}, lambda rows: next((_read(row) for row in rows if row[0] == name), None))


def put(
    name: str,
    url: str,
    *,
    secrets: Sequence[str] = (),
    events: Sequence[str] = EVENTS,
    queue: str | None = None,
    task: str | None = None,
) -> Statement[list[str]]:
    """Store a subscription. Raises `ArgumentError` naming what cannot be."""
    check_name("name", name)
    for what, value in (("queue", queue), ("task", task)):
        if value is not None:
            check_name(what, value)
    strangers = [event for event in events if event not in EVENTS]
    if strangers or not events:
        msg = f"events {', '.join(strangers) or 'are missing'}: give some of {', '.join(EVENTS)}"
        raise ArgumentError(msg)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or len(url) > 2_000:  # noqa: PLR2004
        msg = "url must be http:// or https:// with a host and without a password, of 2,000 characters at most"
        raise ArgumentError(msg)
    params = {"name": name, "url": url, "secrets": list(secrets), "events": list(events), "queue": queue, "task": task}
    return Statement(PUT, params, first_column)


def new_secret() -> str:
    """Make a secret, in the form of the Standard Webhooks scheme."""
    import base64

    return f"whsec_{base64.b64encode(random.token_bytes(SECRET_BYTES)).decode()}"


def remove(name: str) -> Statement[bool]:
    """Remove a subscription; False where there is none."""
    return Statement(REMOVE, {"name": name}, bool)


def switch_off(name: str, why: str) -> Statement[bool]:
    """Stop telling a receiver."""
    return Statement(SWITCH_OFF, {"name": name, "why": why}, bool)


def note_failure(name: str, error: str | None) -> Statement[bool]:
    """Keep what went wrong last; None says that it went well."""
    return Statement(NOTE_FAILURE, {"name": name, "error": error}, bool)


def _read(row: Sequence[Any]) -> Subscription:
    return Subscription(row[0], row[1], tuple(row[2]), tuple(row[3]), *row[4:])
