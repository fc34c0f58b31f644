"""A scene for crash points: an app with tasks that keep a ledger, on a database of its own, and what makes it whole."""

from __future__ import annotations

import hashlib
import threading
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import psycopg

from chaos.ledger import Ledger
from pgflow import App, Cancel, JobRejected, PgflowError, Snooze, State
from pgflow.ids import IdMaker
from pgflow.model import NewJob, Outcome, OutcomeKind
from pgflow.store import claims, flush
from pgflow.store import jobs as sql
from pgflow.task import TaskOptions
from pgflow.task.sending import make_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from pgflow.model import Claimed

IDS: Final = IdMaker()
BUILTIN: Final = ("admin", "audit", "auth", "cron", "guardrails", "logs", "metrics", "policies", "prune", "retry")
LEASE_SECONDS: Final = 1
STEP_SECONDS: Final = 10
GHOST: Final = "ghost"
"""A worker that is not there any more."""


class Struck(Exception):  # noqa: N818 - it is what happens, not an error of the code
    """What a watcher raises."""


class Scene:
    """An app on one database; what it asks for and what its tasks do stand in a ledger."""

    def __init__(self, url: str, ledger: Path, *plugins: object, uses: Sequence[str] = (), **settings: Any) -> None:
        self.url = url
        self.ledger = Ledger(ledger)
        quick = {"lease_seconds": LEASE_SECONDS, "reap_interval_ms": 100, "poll_interval_ms": 50}
        small = {"concurrency": 4, "db_max_connections": 3, "dataset_bucket": "none", "shutdown_grace_seconds": 2}
        given = {**quick, **small, **settings}
        off = tuple(name for name in BUILTIN if name not in uses)
        self.app = App("scene", dsn=url, plugins=plugins, disabled_plugins=off, **given)
        _declare(self.app, self.ledger)

    def close(self) -> None:
        """Close the app's connections."""
        self.app.close()
        self.ledger.close()

    @contextmanager
    def step(self, *also: type[Exception]) -> Iterator[None]:
        """Do a step that a fault may break: what it raises then is expected, and the next step is done all the same."""
        try:
            yield
        except Exception as error:
            if not (is_of_a_fault(error) or isinstance(error, also)):
                raise
            self.ledger.note("broken", error=repr(error))

    def ask(self, task: str, count: int = 1, **options: Any) -> list[str]:
        """Enqueue some jobs, all or none; gives the ids that were acknowledged."""
        tokens = [str(uuid.uuid4()) for _ in range(count)]
        return self._put(tokens, [self._job(task, token, **options) for token in tokens])

    def _put(self, tokens: Sequence[str], jobs: list[NewJob]) -> list[str]:
        for token in tokens:
            self.ledger.note("asked", token=token, queue=jobs[0].queue)
        ids: list[str] = []
        with self.answering(tokens, jobs[0].queue):
            ids = self.app.door.put(jobs)
            self.noted(tokens, ids)
        return ids

    def _job(self, task: str, token: str, *, order: bool = False, **options: Any) -> NewJob:
        known = self.app.tasks.get(task)
        headers = {"token": token, **({"order": True} if order else {})}
        template = make_template(known.declared if known else TaskOptions(name=task), {**options, "headers": headers})
        return template.with_call(IDS.make(), None, None)

    @contextmanager
    def answering(self, tokens: Sequence[str], queue: str = "default") -> Iterator[None]:
        """Note what an enqueue in the block was answered, where it was not acknowledged."""
        try:
            yield
        except JobRejected as refusal:
            for token in tokens:
                self.ledger.note("refused", token=token, queue=queue, reason_code=refusal.reason_code)
        except Exception as error:
            if not is_of_a_fault(error):
                raise
            for token in tokens:
                self.ledger.note("unanswered", token=token, error=repr(error))

    def noted(self, tokens: Sequence[str], ids: Sequence[str]) -> None:
        """Note that enqueues are acknowledged."""
        for token, job_id in zip(tokens, ids, strict=True):
            self.ledger.note("enqueued", token=token, job_id=job_id)

    def keyed(self, tokens: Sequence[str], keys: Sequence[str]) -> None:
        """Enqueue jobs that have unique keys, all or none."""
        self._put(tokens, [self._job("ok", token, unique_key=key) for token, key in zip(tokens, keys, strict=True)])

    def request(self, key: str, unique: str | None) -> None:
        """Answer a request with an Idempotency-Key, of which each has a token of its own."""
        token, digest = f"request {key}", hashlib.sha256(key.encode()).hexdigest()
        self.ledger.note("asked", token=token, queue="default")
        with self.answering([token]):
            job_id, _ = self.app.door.put_once(self._job("ok", token, unique_key=unique), key, digest)
            self.noted([token], [job_id])

    def order(self, *, rolls_back: bool = False, **options: Any) -> None:
        """Store a business row and its job in a transaction of the caller's."""
        token = str(uuid.uuid4())
        self.ledger.note("asked", token=token, queue="default")
        with self.answering([token]), psycopg.connect(self.url) as conn:
            conn.execute("insert into orders values (%s)", [token])
            [job_id] = self.app.door.put([self._job("ok", token, order=True, **options)], conn)
            if rolls_back:
                conn.rollback()
                self.ledger.note("rolled_back", token=token)
            else:
                conn.commit()
                self.noted([token], [job_id])

    async def async_order(self) -> None:
        """Do the same on an async connection."""
        token = str(uuid.uuid4())
        self.ledger.note("asked", token=token, queue="default")
        with self.answering([token]):
            async with await psycopg.AsyncConnection.connect(self.url) as conn:
                await conn.execute("insert into orders values (%s)", [token])
                [job_id] = await self.app.door.aput([self._job("ok", token, order=True)], conn)
                await conn.commit()
                self.noted([token], [job_id])

    def cancelled(self, job_id: str) -> None:
        """Cancel a job."""
        self.app.cancel(job_id)
        self.ledger.note("cancelled", job_id=job_id)

    def retried(self, job_id: str) -> None:
        """Run a job now."""
        self.app.retry(job_id)
        self.ledger.note("retried", job_id=job_id)

    def replayed(self, job_id: str) -> None:
        """Replay a job."""
        self.ledger.note("replayed", old=job_id, new=self.app.replay(job_id).id)

    def replayed_dead(self, job_ids: Sequence[str]) -> None:
        """Replay dead letters."""
        for old, new in self.app.door.replay_dead(job_ids).items():
            self.ledger.note("replayed", old=old, new=new)

    def work(self, *, backend: str = "asyncio", until: str | None = None) -> None:
        """Run a worker until all is settled, or until a query gives a row; for ten seconds at most."""
        worker = self.app.worker(burst=until is None, until_settled=until is None)

        async def main() -> None:
            async with anyio.create_task_group() as group:
                group.start_soon(stop)
                await worker.run()
                group.cancel_scope.cancel()

        async def stop() -> None:
            with anyio.move_on_after(STEP_SECONDS):
                while until is None or not await anyio.to_thread.run_sync(self.finds, until):
                    await anyio.sleep(0.02)
            worker.stop()

        with self.step():
            anyio.run(main, backend=backend)

    def finds(self, query: str) -> bool:
        """Say whether a query gives a row."""
        with psycopg.connect(self.url, autocommit=True) as db:
            return db.execute(query).fetchone() is not None

    def claim(self, most: int = 10, *, queue: str = "default", worker: str = GHOST) -> list[Claimed]:
        """Claim as a worker that is not there any more."""
        lone = [claims.new_lease_id() for _ in range(4)]
        statement = claims.claim(queue, worker, claims.new_lease_id(), lone, most, 60, mark=claims.HEAD, suspects=True)
        return self.app.pool.run(statement).jobs

    def finish(self, jobs: Sequence[Claimed], kind: OutcomeKind, *, rest: bool = False, **fields: Any) -> None:
        """End hand-overs as a worker would; with `rest` their leases hold more."""
        for job in jobs:
            token = job.headers and job.headers.get("token")
            self.ledger.note("began", token=token, job_id=job.job_id, attempt=job.attempt, worker=GHOST)
            self.ledger.note("ended", token=token, job_id=job.job_id, attempt=job.attempt)
        spent = int(kind in (OutcomeKind.FAILED, OutcomeKind.DEAD))
        outcomes = [Outcome(job, kind, 1.0, 1.001, job.spent + spent, **fields) for job in jobs]
        self.app.pool.run(sql.finish(outcomes, [] if rest else sorted({job.lease_id for job in jobs}), 1.002))

    def late(self, jobs: Sequence[Claimed]) -> None:
        """Acknowledge runs, as a worker's flusher does, that others may have ended."""
        outcomes = [Outcome(job, OutcomeKind.SUCCEEDED, 1.0, 1.001, job.spent) for job in jobs]
        anyio.run(flush.store, self.app.pool, outcomes, sorted({job.lease_id for job in jobs}))

    def of(self, state: State, **options: Any) -> str:
        """Make a job and bring it into a state."""
        [job_id] = self.ask("ok", **options) or [""]
        if state is State.DEAD:
            self.finish(self.claim(), OutcomeKind.DEAD, reason_code="NON_RETRYABLE", error_code="UNKNOWN")
        elif state is State.RETRYING:
            self.finish(self.claim(), OutcomeKind.FAILED, delay=60.0, error_code="UNKNOWN")
        elif state is State.SUCCEEDED:
            self.finish(self.claim(), OutcomeKind.SUCCEEDED)
        elif state is State.RUNNING:
            self.claim()
        return job_id


def is_of_a_fault(error: BaseException) -> bool:
    """Say whether an error is one that a fault at the database may bring up."""
    if isinstance(error, BaseExceptionGroup):
        return all(is_of_a_fault(one) for one in error.exceptions)
    return isinstance(error, Struck | PgflowError | psycopg.Error | OSError)


def kept(ledger: Ledger, body: Any) -> Any:
    """Make a task's body note when it begins and ends."""

    def run(ctx: Any) -> Any:
        fields = {"token": ctx.headers.get("token"), "job_id": ctx.job_id, "attempt": ctx.attempt}
        ledger.note("began", **fields, worker=threading.get_ident())
        result = body() if body.__code__.co_argcount == 0 else body(ctx)
        ledger.note("ended", **fields)
        return result

    return run


def _flaky(ctx: Any) -> None:
    if ctx.attempt == 1:
        msg = "the first time"
        raise ValueError(msg)


def _snooze(ctx: Any) -> None:
    if ctx.attempt == 1:
        raise Snooze(0.01)


def _die() -> None:
    msg = "always"
    raise ValueError(msg)


def _slow(ctx: Any) -> None:
    for _ in range(20):
        if ctx.cancelled:
            raise Cancel
        threading.Event().wait(0.05)


def _declare(app: App, ledger: Ledger) -> None:
    def declare(name: str, body: Any, **keywords: Any) -> None:
        app.task(name=name, bind=True, **{"retry_policy": 0.01, "executor": "thread", **keywords})(kept(ledger, body))

    declare("ok", lambda: 1, keep_result=True)
    declare("flaky", _flaky)
    declare("snooze", _snooze)
    declare("die", _die, max_attempts=2)
    declare("lone", lambda: None, max_attempts=1)
    declare("slow", _slow)
    declare("capped", lambda: None, queue="capped")

    async def swift(ctx: Any) -> None:
        fields = {"token": ctx.headers.get("token"), "job_id": ctx.job_id, "attempt": ctx.attempt}
        ledger.note("began", **fields, worker="loop")
        ledger.note("ended", **fields)

    app.task(name="swift", bind=True)(swift)
