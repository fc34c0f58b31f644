"""What operators do, at random and against each other; what is acknowledged is noted."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

from chaos import tasks
from pgflow import DatabaseUnavailableError, JobNotFoundError, JobStateError
from pgflow.store.admin import act

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.ledger import Ledger
    from pgflow import App

RECENT = "select id::text from pgflow.jobs order by id desc limit 40"
DEAD = "select job_id::text from pgflow.dead_letters where replayed_as is null and discarded_at is null limit 20"
REFUSED = (JobStateError, JobNotFoundError)


class Operator:
    """One hand of several, each with a connection of its own: what one does, another undoes."""

    def __init__(self, app: App, ledger: Ledger, dice: random.Random, recent: Callable[[str], list[str]]) -> None:
        self.app = app
        self.ledger = ledger
        self.dice = dice
        self.recent = recent
        self.done: dict[str, int] = {}
        self.refused = 0

    def act(self) -> None:
        """Do something, whatever it is."""
        name, deed = self.dice.choices(list(DEEDS.items()), list(WEIGHTS.values()))[0]
        try:
            deed(self)
        except REFUSED:
            self.refused += 1
        else:
            self.done[name] = self.done.get(name, 0) + 1

    def cancel(self) -> None:
        job_id = self._one()
        self.app.cancel(job_id, by="operator")
        self.ledger.note("cancelled", job_id=job_id)

    def retry(self) -> None:
        job_id = self._one()
        self.app.retry(job_id)
        self.ledger.note("retried", job_id=job_id)

    def replay(self) -> None:
        job_id = self._one()
        self.ledger.note("replayed", old=job_id, new=self.app.replay(job_id).id)

    def cancel_many(self) -> None:
        jobs = self._some(RECENT)
        for change in self.app.pool.together(lambda run: act.cancel_many(run, jobs, by="operator")):
            if change.done:
                self.ledger.note("cancelled", job_id=change.job_id)

    def retry_many(self) -> None:
        jobs = self._some(DEAD)
        for change in self.app.pool.together(lambda run: act.retry_many(run, jobs)):
            if change.done:
                self.ledger.note("retried", job_id=change.job_id)

    def replay_dead(self) -> None:
        for old, new in self.app.door.replay_dead(self._some(DEAD)).items():
            self.ledger.note("replayed", old=old, new=new)

    def discard_many(self) -> None:
        jobs = self._some(DEAD)
        self.app.pool.together(lambda run: act.discard_many(run, jobs))

    def pause(self) -> None:
        self.app.pool.run(act.pause(self.dice.choice(self._queues()), "for a moment"))

    def resume(self) -> None:
        self.app.pool.run(act.resume(self.dice.choice(self._queues())))

    def limit(self) -> None:
        queue = self.dice.choice(self._queues())
        # never above what the checker is told
        most = self.dice.randrange(1, 1 + tasks.LIMITS.get(queue, 20))
        clear = None if queue not in tasks.LIMITS and self.dice.random() < CLEARED else most
        self.app.pool.run(act.set_limits(queue, max_in_flight=clear))

    def _one(self) -> str:
        return self.dice.choice(self._some(RECENT))

    def _some(self, query: str) -> list[str]:
        found = self.recent(query)
        return self.dice.sample(found, min(len(found), self.dice.randrange(1, 6)))

    @staticmethod
    def _queues() -> list[str]:
        return sorted({task.declared.queue for task in tasks.app.tasks.values()})


def calm_down(app: App) -> None:
    """Resume every queue, and set the limits that were there before."""
    for queue in Operator._queues():
        app.pool.run(act.resume(queue))
        app.pool.run(act.set_limits(queue, max_in_flight=tasks.LIMITS.get(queue)))


CLEARED = 0.5
WEIGHTS: dict[str, int] = {
    "cancel": 20, "retry": 14, "replay": 12, "cancel_many": 6, "retry_many": 8, "replay_dead": 8, "discard_many": 4,
    "pause": 8, "resume": 12, "limit": 8,
}  # fmt: skip
DEEDS: dict[str, Any] = {name: getattr(Operator, name) for name in WEIGHTS}
ERRORS = (DatabaseUnavailableError,)
