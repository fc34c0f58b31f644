"""The one way in: every enqueue, bulk and replay passes the hooks here and is stored in one transaction."""

from __future__ import annotations

from dataclasses import replace
from itertools import count, islice
from typing import TYPE_CHECKING, Final, Protocol

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

from pgflow.errors import DatabaseUnavailableError, JobRejected
from pgflow.gathering import Gathering
from pgflow.hooks import Enqueue
from pgflow.ids import IdMaker
from pgflow.model import check_keys
from pgflow.refusals import Refusals
from pgflow.store import enqueues, keys
from pgflow.store import jobs as sql
from pgflow.store.admin import act, look
from pgflow.store.joined import afetch, fetch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from pgflow.gathering import Answer, Parcel
    from pgflow.hooks import Hooks
    from pgflow.model import JobRow, NewJob
    from pgflow.store.pool import Pool
    from pgflow.views import Ending

_numbers: Final = count()


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
        self._refusals = Refusals()
        self._gatherings: RunVar[Gathering | None] = RunVar(f"pgflow.door {next(_numbers)}", None)
        self.ids = IdMaker()

    def prepare(self) -> None:
        """Load and configure the plugins, before the first enqueue or run would."""
        _ = self._house.hooks

    def put(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        """Store jobs, all or none; gives an id for each, in order: the holder's where a unique key is taken.

        Raises `JobRejected` where a guardrail refuses, `ArgumentError` where two of the jobs have one key.
        """
        if conn is None:
            return self._put(jobs)
        enqueue = Enqueue(self._house, joined=True)
        judged = self._judge(jobs, enqueue)
        asking = keys.Asking(judged)
        while asking.left:
            rows = fetch(conn, asking.query, sql.enqueue_payload(asking.left, ring=True))
            asking.heed([row[0] for row in rows])
        self._tell(judged, asking.ids, enqueue)
        return asking.ids

    async def aput(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        """Store jobs as `put` does, leaving the event loop free: guardrails judge in a thread, as they may wait."""
        if conn is None:
            if len(jobs) == 1 and jobs[0].unique_key is None:
                return await self._gathered().put(jobs)
            pool = await self.apool()
            return await pool.arun_call(lambda: self._put(jobs))
        enqueue = Enqueue(self._house, joined=True)
        judged = await self._ajudge(jobs, enqueue)
        asking = keys.Asking(judged)
        while asking.left:
            rows = await afetch(conn, asking.query, sql.enqueue_payload(asking.left, ring=True))
            asking.heed([row[0] for row in rows])
        self._tell(judged, asking.ids, enqueue)
        return asking.ids

    def put_once(self, job: NewJob, key: str, request_hash: str) -> tuple[str, bool]:
        """Store the job of a request that has an Idempotency-Key; gives its id, and whether the request is new.

        Within 24 hours the same key and hash give the same job again. Raises `KeyConflictError` where the hash is
        another, `JobRejected` where a guardrail refuses, which leaves the key free.
        """
        pool = self._opened()
        known = keys.answered(pool.run, key, request_hash)
        if known is not None:
            return known, False
        enqueue = Enqueue(self._house, joined=False)
        judged = self._judge([job], enqueue)
        job_id, is_new = pool.together(lambda run: keys.enqueue_once(run, judged[0], key, request_hash))
        if is_new:
            self._tell(judged, [job_id], enqueue)
        return job_id, is_new

    def replay(self, job: NewJob) -> str:
        """Store a replay and mark the dead letter it answers, in one transaction."""
        enqueue = Enqueue(self._house, joined=False)
        judged = _keyless(self._judge([job], enqueue))
        new_id = self._opened().together(lambda run: act.replay(run, judged[0]))
        self._tell(judged, [new_id], enqueue)
        return new_id

    def replay_many(self, jobs: Sequence[NewJob]) -> dict[str, str]:
        """Store replays of open dead letters; gives new ids by old ones, without those another hand had replayed."""
        enqueue = Enqueue(self._house, joined=False)
        judged = _keyless(self._judge(jobs, enqueue))
        pairs = self._opened().together(lambda run: act.replay_many(run, judged))
        of_old = {str(job.replay_of): job for job in judged}
        self._tell([of_old[old] for old in pairs], list(pairs.values()), enqueue)
        return pairs

    def replay_dead(self, job_ids: Iterable[str], delay: Callable[[int], float] | None = None) -> dict[str, str]:
        """Replay the open dead letters among these jobs, as `replay_many` does; missing ones are left out.

        `delay` says for how many seconds each is put off, by its place among them.
        """
        sources = self._opened().run(act.sources(job_ids))
        new_ids = self.ids.make_many(len(sources))
        jobs = [source.new_job(new_id) for source, new_id in zip(sources, new_ids, strict=True)]
        if delay is not None:
            jobs = [replace(job, delay=delay(place)) for place, job in enumerate(jobs)]
        return self.replay_many(jobs) if jobs else {}

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
        self.ids.offset_seconds = pool.clock_offset()
        return pool

    def _put(self, jobs: Sequence[NewJob]) -> list[str]:
        enqueue = Enqueue(self._house, joined=False)
        judged = self._judge(jobs, enqueue)
        ids = self._store(judged)
        self._tell(judged, ids, enqueue)
        return ids

    def _gathered(self) -> Gathering:
        found = self._gatherings.get()
        if found is None:
            found = Gathering(self._put_parcels)
            self._gatherings.set(found)
        return found

    def _put_parcels(self, parcels: Sequence[Parcel]) -> list[Answer]:
        """Store what several calls ask for: each is judged, refused or told of by itself, and one commit is of all."""
        answers: list[Answer] = [[] for _ in parcels]
        judged: dict[int, list[NewJob]] = {}
        enqueue = Enqueue(self._house, joined=False)
        for place, (jobs, context) in enumerate(parcels):
            try:
                judged[place] = context.run(self._judge, jobs, enqueue)
            except Exception as error:  # noqa: BLE001 - raised where it was asked for
                answers[place] = error
        for place, stored in zip(judged, self._stored_apart(list(judged.values())), strict=True):
            answers[place] = stored
            if isinstance(stored, list):
                try:
                    parcels[place].context.run(self._tell, judged[place], stored, enqueue)
                except Exception as error:  # noqa: BLE001 - as above
                    answers[place] = error
        return answers

    def _stored_apart(self, lists: Sequence[list[NewJob]]) -> list[Answer]:
        # what the database refuses may be one call's fault: then each is stored by itself
        try:
            ids = iter(self._store([job for jobs in lists for job in jobs])) if lists else iter(())
        except DatabaseUnavailableError as error:
            return [_once_more(error) for _ in lists]
        except Exception as error:  # noqa: BLE001 - raised where it was asked for
            return [error] if len(lists) == 1 else [self._stored_apart([jobs])[0] for jobs in lists]
        return [list(islice(ids, len(jobs))) for jobs in lists]

    def _store(self, jobs: Sequence[NewJob]) -> list[str]:
        return enqueues.enqueue(self._opened(), jobs)

    def _judge(self, jobs: Sequence[NewJob], enqueue: Enqueue) -> list[NewJob]:
        if len(jobs) > 1:
            check_keys(jobs)
        judged = list(jobs)
        try:
            self._house.hooks.before_enqueue(judged, enqueue)
        except JobRejected as refusal:
            # on a connection of the store's own: a refusal outlives the caller's transaction
            self._refusals.keep(self._opened().run, refusal, judged)
            raise
        return judged

    async def _ajudge(self, jobs: Sequence[NewJob], enqueue: Enqueue) -> list[NewJob]:
        if not self._house.hooks.has("pgflow_before_enqueue"):
            return self._judge(jobs, enqueue)
        return await anyio.to_thread.run_sync(self._judge, jobs, enqueue)

    def _tell(self, jobs: Sequence[NewJob], ids: Sequence[str], enqueue: Enqueue) -> None:
        hooks = self._house.hooks
        if hooks.has("pgflow_after_enqueue"):
            stored = jobs if [job.id for job in jobs] == ids else _under(ids, jobs)
            if stored:
                hooks.after_enqueue(stored, enqueue)


def _under(ids: Sequence[str], jobs: Sequence[NewJob]) -> list[NewJob]:
    # under the ids they were stored with, which differ where a clock was wrong; without those whose key was taken
    return [
        job if job.id == given else job.with_call(given, job.args, job.kwargs)
        for job, given in zip(jobs, ids, strict=True)
        if keys.is_stored(job, given)
    ]


def _once_more(error: DatabaseUnavailableError) -> DatabaseUnavailableError:
    # for each who waits an error of its own: what is raised twice has the traceback of both
    again = DatabaseUnavailableError(str(error), in_doubt=error.in_doubt)
    again.__cause__ = error
    return again


def _keyless(jobs: list[NewJob]) -> list[NewJob]:
    return [job if job.unique_key is None else replace(job, unique_key=None) for job in jobs]
