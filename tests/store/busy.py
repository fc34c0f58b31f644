"""A busy life: jobs in every state, by every way there is, each of a task of its own that is named like its key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import moving

from moves import IDS, ended, finish, hasten
from pgflow.model import NewJob, OutcomeKind
from pgflow.store import keys
from pgflow.store.admin import act
from pgflow.worker.run import ended_unstarted, released, unknown_task

if TYPE_CHECKING:
    import psycopg

    from pgflow.codes import ErrorCode
    from pgflow.model import Claimed
    from pgflow.store.pool import Pool

FAILED = {"error_code": "UNKNOWN", "error_message": "boom"}


class Life:
    """Makes jobs and leads them through their lives; knows their ids by name."""

    def __init__(self, pool: Pool, db: psycopg.Connection[Any]) -> None:
        self.pool = pool
        self.db = db
        self.ids: dict[str, str] = {}

    def put(self, name: str, **fields: Any) -> str:
        """Enqueue a job into a queue of its own."""
        self.ids[name] = moving.one(self.pool, task=name, queue=name, **fields)
        return self.ids[name]

    def take(self, name: str, worker: str = "w1") -> Claimed:
        """Claim it."""
        return moving.claim(self.pool, queue=name, worker=worker)[0]

    def end(self, name: str, kind: OutcomeKind = OutcomeKind.SUCCEEDED, **fields: Any) -> None:
        """Claim it and end that run."""
        moving.finish(self.pool, self.take(name), kind, **fields)

    def fail(self, name: str, delay: float = 0.0) -> None:
        """Claim it and see it fail."""
        job = self.take(name)
        moving.finish(self.pool, job, OutcomeKind.FAILED, spent=job.spent + 1, delay=delay, **FAILED)

    def die(self, name: str, reason: str = "MAX_ATTEMPTS_EXCEEDED") -> None:
        """Claim it and see it die."""
        job = self.take(name)
        moving.finish(self.pool, job, OutcomeKind.DEAD, spent=job.spent + 1, reason_code=reason, **FAILED)

    def lose(self, name: str, *, due: bool = True) -> None:
        """Claim it, let the lease lapse, and have it taken back; with `due` it may run again at once."""
        self.take(name)
        moving.lapse(self.pool)
        if due:
            self.due()

    def due(self) -> None:
        """Let all that is scheduled be due now."""
        hasten(self.db)
        self.pool.run(moving.jobs.promote())

    def back(self, name: str, code: ErrorCode, delay: float = 0.0) -> None:
        """Claim it and hand it back."""
        job = self.take(name)
        self._store(released(job, code, delay))

    def unstarted(self, name: str) -> None:
        """Claim what must not start, and end it as a worker does."""
        outcome = ended_unstarted(self.take(name))
        assert outcome is not None
        self._store(outcome)

    def stranger(self, name: str, seconds: float) -> None:
        """Claim it with a worker that does not know its task, nor anyone else for so many seconds."""
        self._store(unknown_task(self.take(name), seconds, 3600))

    def replay(self, name: str, new: str) -> str:
        """Replay it as another."""
        source = self.pool.run(act.source(self.ids[name]))
        self.ids[new] = self.pool.together(lambda run: act.replay(run, source.new_job(IDS.make())))
        return self.ids[new]

    def act(self, wish: Any, name: str) -> Any:
        """Do what an operator does with one job."""
        return self.pool.together(lambda run: wish(run, self.ids[name]))

    def _store(self, outcome: Any) -> None:
        assert self.pool.run(moving.jobs.finish([outcome], [outcome.job.lease_id], outcome.finished)) == set()


def shown(pool: Pool, db: psycopg.Connection[Any]) -> dict[str, str]:
    """One job of each kind that a test may harm; gives their ids by name. Nothing waits for the clock."""
    life = Life(pool, db)
    life.put("lost")
    life.put("crashed", max_attempts=2)
    life.lose("crashed")
    life.lose("crashed")
    life.lose("crashed")
    life.lose("lost", due=False)
    life.put("ok")
    life.end("ok")
    life.put("late")
    life.fail("late")
    life.end("late")
    life.put("tried")
    life.fail("tried")
    life.fail("tried", delay=600)
    life.put("back")
    life.back("back", "SHUTDOWN")  # type: ignore[arg-type]
    life.back("back", "SHUTDOWN")  # type: ignore[arg-type]
    for name in ("dead", "buried", "retried"):
        life.put(name, max_attempts=2)
        life.fail(name)
        life.die(name)
    life.act(act.retry, "retried")
    life.replay("dead", "replay")
    life.put("cancelled")
    life.act(act.cancel, "cancelled")
    life.put("waits")
    life.put("held")
    life.fail("held")
    life.take("held")
    pool.run(act.decide("ingest", "q", "rejected", "PAYLOAD_TOO_LARGE", task="t"))
    return life.ids


def lived(pool: Pool, db: psycopg.Connection[Any]) -> Life:
    """All that can become of jobs, twice over in places, and still at it at the end."""
    life = Life(pool, db)
    shown_ids = shown(pool, db)
    life.ids |= shown_ids
    # what is lost again and again, then runs; what may run only once; what was asked to stop and never heard it
    life.put("survivor", max_attempts=3)
    for _ in range(3):
        life.lose("survivor")
    life.end("survivor")
    life.put("once", max_attempts=1)
    life.lose("once")
    life.act(act.retry, "once")
    life.end("once")
    life.act(act.retry, "crashed")
    life.lose("crashed")
    life.replay("crashed", "crashed-again")
    life.put("deaf")
    job = life.take("deaf")
    assert life.act(act.cancel, "deaf").result == "asked"
    moving.finish(pool, job, OutcomeKind.FAILED, spent=1, delay=5, **FAILED)
    life.put("deaf-lost")
    life.take("deaf-lost")
    life.act(act.cancel, "deaf-lost")
    moving.lapse(pool)
    life.put("later", delay=500)
    life.act(act.cancel, "later")
    life.put("hurried", delay=500)
    life.act(act.retry, "hurried")
    life.end("hurried")
    life.put("snoozes")
    for _ in range(3):
        life.end("snoozes", OutcomeKind.SNOOZED, delay=0.0, error_code="SNOOZED")
    life.end("snoozes")
    life.put("stale", expires_in=0.001)
    db.execute("select pg_sleep(0.01)")
    life.unstarted("stale")
    lived_on(life)
    return life


def lived_on(life: Life) -> None:
    """Tasks nobody knows, dead letters of each fate, keys, an entry without its job, and batches."""
    pool, db = life.pool, life.db
    life.put("strange")
    life.stranger("strange", 0)
    life.due()
    life.stranger("strange", 4000)
    life.act(act.retry, "strange")
    life.put("hopeless")
    life.die("hopeless", "NON_RETRYABLE")
    life.act(act.discard, "hopeless")
    life.put("again")
    life.die("again", "NON_RETRYABLE")
    life.replay("again", "again-replay")
    life.act(act.retry, "again")
    life.die("again", "NON_RETRYABLE")
    db.execute(
        "insert into pgflow.ready values ('missing', 0, clock_timestamp(), gen_random_uuid(), 1, 0, false, false)"
    )
    life.unstarted("missing")
    keyed = NewJob(id=IDS.make(), queue="keyed", task="keyed", unique_key="k")
    pool.together(lambda run: keys.enqueue_once(run, keyed, "request", "hash"))
    again = NewJob(id=IDS.make(), queue="keyed", task="keyed", unique_key="k")
    assert pool.together(lambda run: keys.enqueue_once(run, again, "request", "hash"))[1] is False
    moving.enqueue(pool, 20, queue="many", task="many")
    finish(pool, [ended(job) for job in moving.claim(pool, 10, queue="many")])
    moving.claim(pool, 5, queue="many", worker="w2")
    life.put("tries-again")
    life.fail("tries-again", delay=900)
