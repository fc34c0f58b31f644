"""Makes deliveries of what has ended: one job for each subscription that wants to be told, in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import Statement, first_column, load, look, nothing
from pgflow_webhook.delivery import TASK
from pgflow_webhook.subscriptions import listing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pgflow.admin import DeadLetter, Maintenance
    from pgflow_webhook.subscriptions import Subscription

Event = dict[str, Any]

TELL: Final = load("tell", package=__package__ or "")
LOOKED_TO: Final = load("looked_to", package=__package__ or "")
LOOK_TO: Final = load("look_to", package=__package__ or "")
FORGET_TOLD: Final = load("forget_told", package=__package__ or "")

PAGE: Final = 500
OVERLAP_SECONDS: Final = 120.0
"""A death may be committed so much later than it is dated."""


def tell(app: Any, events: Sequence[Event]) -> int:
    """Enqueue the deliveries of some events; gives how many. A subscriber is told of one death once.

    Raises what an enqueue does; then nobody was told of any.
    """
    subscriptions = app.db.run(listing())
    return _enqueue(app, [(to, event) for event in events for to in subscriptions if to.wants(event)])


def catch_up(run: Maintenance) -> int:
    """Tell of deaths that nobody was told of, since whoever stored them was killed; gives how many deliveries.

    Raises what an enqueue does; the next round begins where this one did.
    """
    now = run.now()
    looked_to = run.db.run(Statement(LOOKED_TO, {}, first_column))
    made = 0
    if looked_to:
        subscriptions = [to for to in run.db.run(listing()) if to.active and "dead" in to.events]
        seconds = (now - looked_to[0]).total_seconds() + OVERLAP_SECONDS
        before: tuple[datetime, str] | None = None
        while subscriptions:
            letters = run.db.run(look.dead_letters(before=before, limit=PAGE))
            recent = [letter for letter in letters if (now - letter.dead_at).total_seconds() <= seconds]
            made += _enqueue(run.app, _pairs(subscriptions, recent))
            if len(recent) < PAGE:
                break
            if not run.goes_on():
                return made
            before = recent[-1].dead_at, recent[-1].job_id
    run.db.run(Statement(LOOK_TO, {"moment": now}, nothing))
    run.db.run(Statement(FORGET_TOLD, {}, nothing))
    return made


def _pairs(subscriptions: Sequence[Subscription], letters: Sequence[DeadLetter]) -> list[tuple[Subscription, Event]]:
    pairs = [(to, letter) for letter in letters for to in subscriptions if to.created_at <= letter.dead_at]
    told = [(to, _of_letter(letter)) for to, letter in pairs if letter.task != TASK]
    return [(to, event) for to, event in told if to.wants(event)]


def _of_letter(letter: DeadLetter) -> Event:
    return {
        "event": "dead",
        "job_id": letter.job_id,
        "task": letter.task,
        "queue": letter.queue,
        "attempt": letter.attempt,
        "ended_at": letter.dead_at.isoformat(),
        "error_code": letter.error_code,
        "reason_code": letter.reason_code,
    }


def _enqueue(app: Any, pairs: Sequence[tuple[Subscription, Event]]) -> int:
    if not pairs:
        return 0
    deaths = [(to.name, event["job_id"], event["attempt"]) for to, event in pairs if event["event"] == "dead"]
    # one transaction: who is told of a death and who is noted as told are one
    with app.db.transaction() as opened:
        news = opened.run(_told(deaths)) if deaths else set()
        calls: list[Any] = [
            ((to.name, event), {})
            for to, event in pairs
            if event["event"] != "dead" or (to.name, event["job_id"], event["attempt"]) in news
        ]
        if calls:
            app.tasks[TASK].options(conn=opened.conn).enqueue_many(calls)
    return len(calls)


def _told(deaths: Sequence[tuple[str, str, int]]) -> Statement[set[tuple[Any, ...]]]:
    names, job_ids, attempts = zip(*deaths, strict=True)
    params = {"subscriptions": list(names), "job_ids": list(job_ids), "attempts": list(attempts)}
    return Statement(TELL, params, set)
