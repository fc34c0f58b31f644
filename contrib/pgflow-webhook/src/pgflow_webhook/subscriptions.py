"""Subscriptions: who is told of what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from pgflow import ArgumentError
from pgflow.admin import Statement, check_name, first_column, load
from pgflow_webhook import guard, signing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from pgflow.admin import Run
    from pgflow_webhook.settings import WebhookSettings

EVENTS: Final = ("succeeded", "dead", "cancelled", "expired")
OF_SETTINGS: Final = "settings"
MOST_SECRETS: Final = 5

LISTING: Final = load("listing", package=__package__)
PUT: Final = load("put", package=__package__)
REMOVE: Final = load("remove", package=__package__)
SWITCH_OFF: Final = load("switch_off", package=__package__)
NOTE_FAILURE: Final = load("note_failure", package=__package__)
CLOCK: Final = load("clock", package=__package__)


@dataclass(frozen=True, slots=True)
class Subscription:
    """One receiver. Deliveries are signed with every one of its secrets, so that they can be rotated."""

    name: str
    url: str
    secrets: tuple[str, ...] = field(repr=False)
    events: tuple[str, ...]
    queue: str | None
    task: str | None
    active: bool
    why_inactive: str | None
    failed_at: datetime | None
    last_error: str | None
    created_at: datetime

    def wants(self, event: Mapping[str, Any]) -> bool:
        """Say whether it is to be told of this."""
        is_of_its_jobs = self.queue in (None, event["queue"]) and self.task in (None, event["task"])
        return self.active and event["event"] in self.events and is_of_its_jobs

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
    secrets: Sequence[str],
    events: Sequence[str] = EVENTS,
    queue: str | None = None,
    task: str | None = None,
) -> Statement[list[str]]:
    """Store a subscription, switched on. Raises `ArgumentError` naming what cannot be; it shows no secret."""
    check_name("name", name)
    for what, value in (("queue", queue), ("task", task)):
        if value is not None:
            check_name(what, value)
    strangers = [event for event in events if event not in EVENTS]
    if strangers or not events:
        msg = f"events {', '.join(strangers) or 'are missing'}: give some of {', '.join(EVENTS)}"
        raise ArgumentError(msg)
    guard.place_of(url)
    if not 0 < len(secrets) <= MOST_SECRETS or not all(map(signing.is_secret, secrets)):
        msg = f"secrets must be 1 to {MOST_SECRETS}: {signing.SECRETS_ARE}, or leave them out to have one made"
        raise ArgumentError(msg)
    params = {"name": name, "url": url, "secrets": list(secrets), "events": list(events), "queue": queue, "task": task}
    return Statement(PUT, params, first_column)


def keep_set(run: Run, settings: WebhookSettings) -> None:
    """Store the subscription that the settings ask for, where it is not as they say."""
    if settings.url is None:
        return
    secrets, events = tuple(secret.get_secret_value() for secret in settings.secrets), tuple(settings.events)
    found = run(named(OF_SETTINGS))
    if found is None or (found.url, found.secrets, found.events) != (settings.url, secrets, events):
        run(put(OF_SETTINGS, settings.url, secrets=secrets, events=events))


def remove(name: str) -> Statement[bool]:
    """Remove a subscription; False where there is none."""
    return Statement(REMOVE, {"name": name}, bool)


def switch_off(name: str, why: str) -> Statement[bool]:
    """Stop telling a receiver."""
    return Statement(SWITCH_OFF, {"name": name, "why": why}, bool)


def note_failure(name: str, error: str | None) -> Statement[bool]:
    """Keep what went wrong last; None says that it went well."""
    return Statement(NOTE_FAILURE, {"name": name, "error": error}, bool)


def now() -> Statement[datetime]:
    """Read the database's clock."""
    return Statement(CLOCK, {}, lambda rows: rows[0][0])


def _read(row: Sequence[Any]) -> Subscription:
    return Subscription(row[0], row[1], tuple(row[2]), tuple(row[3]), *row[4:])
