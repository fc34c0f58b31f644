"""Delivers one webhook, as a job: signed, and judged by how it is answered."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from pgflow import Cancel, Context, Exponential, JobError, Retry
from pgflow_webhook import signing
from pgflow_webhook.posting import post
from pgflow_webhook.subscriptions import named, note_failure, now, switch_off

if TYPE_CHECKING:
    from pgflow_webhook.posting import Answer
    from pgflow_webhook.settings import WebhookSettings
    from pgflow_webhook.subscriptions import Subscription

TASK: Final = "pgflow_webhook.deliver"
GONE: Final = 410
REFUSED: Final = "REFUSED"
AGAIN: Final = frozenset({408, 425, 429})
SERVER_ERRORS: Final = 500
AGAIN_LATER: Final = Exponential(base=10, factor=3, cap=21_600)
"""Twelve attempts reach over thirteen hours on average: a receiver's bad night."""
MARGIN_SECONDS: Final = 5.0
ERROR_CHARACTERS: Final = 500


def declare(app: Any, settings: WebhookSettings) -> None:
    """Declare the task that delivers, once for an app."""
    if TASK in app.tasks:
        return

    def deliver(job: Context, subscription: str, event: dict[str, Any]) -> None:
        """Tell one subscriber; the delivery's id is the same however often it is tried."""
        found = app.db.run(named(subscription))
        if found is None or not found.active:
            msg = f"there is no subscription {subscription}" if found is None else f"{subscription} is switched off"
            raise Cancel(msg)
        _deliver(app, found, settings, delivery_id(event, job.job_id), event)

    app.task(
        name=TASK,
        bind=True,
        queue=settings.queue,
        max_attempts=settings.max_attempts,
        retry_policy=AGAIN_LATER,
        timeout=2 * settings.timeout_seconds + MARGIN_SECONDS,
    )(deliver)


def delivery_id(event: dict[str, Any], job_id: str) -> str:
    """Name what is told: the same for whoever tells of it, so that receivers can tell a repetition."""
    return f"msg_{event['job_id']}_{event['attempt']}" if "job_id" in event else f"msg_{job_id}"


def test_event(app: Any, name: str) -> str:
    """Enqueue a delivery that tells of nothing; gives its job's id."""
    _ = app.plugins  # the task is declared when plugins are loaded
    return str(app.enqueue(TASK, [name, {"event": "test"}], max_attempts=1).id)


def _deliver(app: Any, to: Subscription, settings: WebhookSettings, name: str, event: dict[str, Any]) -> None:
    body = json.dumps(event, ensure_ascii=False).encode()
    given = signing.headers(to.secrets, name, int(app.db.run(now()).timestamp()), body)
    try:
        answer = post(to.url, body, given, timeout=settings.timeout_seconds, allow_private=settings.allow_private)
        _judge(app, to, answer)
    except Exception as error:
        app.db.run(note_failure(to.name, f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS]))
        raise
    if to.last_error is not None:
        app.db.run(note_failure(to.name, None))


def _judge(app: Any, to: Subscription, answer: Answer) -> None:
    if 200 <= answer.status < 300:  # noqa: PLR2004 - the range of what went well
        return
    if answer.status == GONE:
        why = "the receiver answered 410 Gone"
        app.db.run(switch_off(to.name, why))
        raise JobError(REFUSED, f"{why}: {to.name} is switched off; store it again to go on", retryable=False)
    if answer.status in AGAIN or answer.status >= SERVER_ERRORS:
        raise Retry(answer.retry_after, f"{to.name} answered {answer.status}")
    msg = f"{to.name} answered {answer.status}; redirects are not followed, and refusals not repeated"
    raise JobError(REFUSED, msg, retryable=False)
