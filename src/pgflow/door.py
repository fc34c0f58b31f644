"""The one way in: every enqueue, bulk and replay passes the hooks here and is stored by one statement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.to_thread

from pgflow.errors import JobRejected
from pgflow.hooks import Enqueue
from pgflow.ids import IdMaker
from pgflow.store import jobs as sql
from pgflow.store.admin import act, look
from pgflow.store.joined import afetch, fetch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.hooks import Hooks
    from pgflow.model import JobRow, NewJob
    from pgflow.store.admin import Run
    from pgflow.store.pool import Pool
    from pgflow.store.statement import Statement
    from pgflow.views import Ending

AT_ONCE_JOBS: Final = 5_000
AT_ONCE_BYTES: Final = 16_000_000


class House(Protocol):
    """What a door belongs to: the app."""

    @property
    def pool(self) -> Pool:
        """The store, opened on first use."""
        ...

    @property
    def hooks(self) -> Hooks:
        """The plugins' hooks."""
        ...


class StoreDoor:
    """Stores jobs in the app's database, or in the caller's transaction, and looks them up again."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.ids = IdMaker()

    def put(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        """Store jobs, all or none; gives an id for each, in order. Raises `JobRejected` where a guardrail refuses."""
        self._judge(jobs, joined=conn is not None)
        if conn is not None:
            rows = fetch(conn, sql.ENQUEUE.text, sql.enqueue_payload(jobs, ring=True))
            return [row[0] for row in rows]
        return self._store(jobs)

    async def aput(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        """Store jobs as `put` does, leaving the event loop free."""
        await self._ajudge(jobs, joined=conn is not None)
        if conn is not None:
            rows = await afetch(conn, sql.ENQUEUE.text, sql.enqueue_payload(jobs, ring=True))
            return [row[0] for row in rows]
        pool = await self.apool()
        return await pool.arun_call(lambda: self._store(jobs))

    def replay(self, job: NewJob) -> str:
        """Store a replay and mark the dead letter it answers, in one transaction."""
        self._judge([job], joined=False)
        return self._opened().together(lambda run: act.replay(run, job))

    def replay_many(self, jobs: Sequence[NewJob]) -> dict[str, str]:
        """Store replays of open dead letters; gives new ids by old ones, without those another hand had replayed."""
        self._judge(jobs, joined=False)
        return self._opened().together(lambda run: act.replay_many(run, jobs))

    def job_row(self, job_id: str) -> JobRow:
        """Give the job as it stands. Raises `JobNotFoundError`."""
        return self._opened().run(look.job(job_id))

    async def ajob_row(self, job_id: str) -> JobRow:
        """Give the job as it stands. Raises `JobNotFoundError`."""
        return await (await self.apool()).arun(look.job(job_id))

    def job_ending(self, job_id: str) -> Ending:
        """Give how the job ended, its state None while it goes on. Raises `JobNotFoundError`."""
        return self._opened().run(look.ending(job_id))

    async def ajob_ending(self, job_id: str) -> Ending:
        """Give how the job ended, its state None while it goes on. Raises `JobNotFoundError`."""
        return await (await self.apool()).arun(look.ending(job_id))

    async def apool(self) -> Pool:
        """Give the pool, opened in a thread where this is its first use."""
        with anyio.CancelScope(shield=True):
            pool = await anyio.to_thread.run_sync(self._opened)
        return pool  # noqa: RET504 - a return within the scope hides from type checkers that it always comes

    def _opened(self) -> Pool:
        pool = self._house.pool
        if not self.ids.offset_seconds:
            self.ids.offset_seconds = pool.clock_offset()
        return pool

    def _store(self, jobs: Sequence[NewJob]) -> list[str]:
        pool = self._opened()
        if len(jobs) == 1:
            return pool.run(sql.enqueue(jobs))
        statements = [sql.enqueue(chunk) for chunk in _chunks(jobs)]
        if len(statements) == 1:
            return pool.run(statements[0])
        return pool.together(lambda run: _all_of(run, statements))

    def _judge(self, jobs: Sequence[NewJob], *, joined: bool) -> None:
        try:
            self._house.hooks.before_enqueue(jobs, Enqueue(self._house, joined))
        except JobRejected as refusal:
            # on a connection of the store's own: a refusal outlives the caller's transaction
            self._opened().run(_decision(refusal, jobs))
            raise

    async def _ajudge(self, jobs: Sequence[NewJob], *, joined: bool) -> None:
        try:
            self._house.hooks.before_enqueue(jobs, Enqueue(self._house, joined))
        except JobRejected as refusal:
            await (await self.apool()).arun(_decision(refusal, jobs))
            raise


def _decision(refusal: JobRejected, jobs: Sequence[NewJob]) -> Statement[int]:
    job = refusal.job or jobs[0]
    details = {**(refusal.details or {}), "message": refusal.message}
    return act.decide("ingest", job.queue, "rejected", refusal.reason_code, task=job.task, details=details)


def _all_of(run: Run, statements: Sequence[Statement[list[str]]]) -> list[str]:
    return [job_id for statement in statements for job_id in run(statement)]


def _chunks(jobs: Sequence[NewJob]) -> list[Sequence[NewJob]]:
    chunks: list[Sequence[NewJob]] = []
    first, size = 0, 0
    for place, job in enumerate(jobs):
        size += len(job.args or "") + len(job.kwargs or "")
        if place - first >= AT_ONCE_JOBS or (size > AT_ONCE_BYTES and place > first):
            chunks.append(jobs[first:place])
            first, size = place, 0
    chunks.append(jobs[first:])
    return chunks
