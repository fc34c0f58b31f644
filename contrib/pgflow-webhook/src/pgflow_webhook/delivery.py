"""Delivers one webhook: signed, to the very address that was judged, and judged by how it is answered."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from pgflow import Context, JobError, Retry
from pgflow_webhook import guard, signing
from pgflow_webhook.subscriptions import named, note_failure, switch_off

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow_webhook.settings import WebhookSettings
    from pgflow_webhook.subscriptions import Subscription

TASK: Final = "pgflow_webhook.deliver"
GONE: Final = 410
REFUSED: Final = "REFUSED"
AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
LONGEST_WAIT_SECONDS: Final = 3_600.0
MARGIN_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a receiver said."""

    status: int
    retry_after: float | None


def declare(app: Any, settings: WebhookSettings) -> None:
    """Declare the task that delivers, once for an app."""
    if TASK in app.tasks:
        return

    @app.task(
        name=TASK,
        bind=True,
        queue=settings.queue,
        max_attempts=settings.max_attempts,
        timeout=settings.timeout_seconds + MARGIN_SECONDS,
    )
    def deliver(job: Context, subscription: str, event: dict[str, Any]) -> None:
        """Tell one subscriber; the job's id is the delivery's, the same however often it is tried."""
        found = app.db.run(named(subscription))
        if found is not None and found.active:
            _deliver(app, found, settings, job.job_id, event)


def _deliver(app: Any, to: Subscription, settings: WebhookSettings, delivery_id: str, event: dict[str, Any]) -> None:
    body = json.dumps(event, ensure_ascii=False).encode()
    given = signing.headers(to.secrets, delivery_id, int(time.time()), body)
    try:
        answer = post(to.url, body, given, timeout=settings.timeout_seconds, allow_private=settings.allow_private)
        _judge(app, to, answer)
    except Exception as error:
        app.db.run(note_failure(to.name, f"{type(error).__name__}: {error}"[:500]))
        raise
    if to.last_error is not None:
        app.db.run(note_failure(to.name, None))


def _judge(app: Any, to: Subscription, answer: Answer) -> None:
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the range of what went well
        return
    if answer.status == GONE:
        app.db.run(switch_off(to.name, "the receiver answered 410 Gone"))
        return
    if answer.status in AGAIN:
        raise Retry(answer.retry_after, f"{to.name} answered {answer.status}")
    msg = f"{to.name} answered {answer.status}; redirects are not followed, and refusals not repeated"
    raise JobError(REFUSED, msg, retryable=False)


def post(url: str, body: bytes, headers: Mapping[str, str], *, timeout: float, allow_private: bool) -> Answer:
    """Send one request and read the head of its answer. `timeout`: seconds, for each step on the wire.

    Raises `JobError` for an address inside the network, `OSError` and `HTTPException` where nothing sensible answers.
    """
    parts = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    family, address = guard.address_of(host, port, allow_private=allow_private)
    with socket.socket(family, socket.SOCK_STREAM) as plain:
        plain.settimeout(timeout)
        plain.connect((address, port))
        wire = ssl.create_default_context().wrap_socket(plain, server_hostname=host) if secure else plain
        connection = http.client.HTTPConnection(host, port, timeout=timeout)
        # connected already, and to the address that was judged: a name may lead elsewhere the next time it is asked
        connection.sock = wire
        try:
            path = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
            sent = {"content-type": "application/json", "user-agent": "pgflow-webhook", "connection": "close"}
            connection.request("POST", path, body, {**sent, **headers})
            answer = connection.getresponse()
            return Answer(answer.status, _seconds(answer.headers.get("retry-after")))
        finally:
            connection.close()


def _seconds(text: str | None) -> float | None:
    return min(float(text), LONGEST_WAIT_SECONDS) if text is not None and text.isascii() and text.isdigit() else None
