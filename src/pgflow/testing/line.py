"""Runs jobs inline: an enqueue runs its job at once, in memory and in virtual time, judged as in a worker."""

from __future__ import annotations

import heapq
import threading
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from anyio import to_thread

from pgflow.errors import JobFailed, JobNotFoundError, TaskSignal, WaitTimeoutError
from pgflow.model import OutcomeKind, State
from pgflow.testing.doors import judge, led_to, without_database
from pgflow.testing.executing import Backend, Executor
from pgflow.testing.ledger import Entry
from pgflow.worker.run import Run, ended_unstarted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow.app import App
    from pgflow.handle import Job
    from pgflow.ids import IdMaker
    from pgflow.model import Attempt, Claimed, JobRow, NewJob
    from pgflow.views import Ending

MOST_RUNS: Final = 10_000
FAILURES: Final = (OutcomeKind.FAILED, OutcomeKind.DEAD)
_inside: ContextVar[Line | None] = ContextVar("pgflow_line", default=None)


@contextmanager
def inline(
    app: App, *, clock: datetime | None = None, backend: Backend = "asyncio", reraise: bool = False
) -> Iterator[Line]:
    """Run the app's jobs as they are enqueued, without a database, until the end of the block.

    `clock` is where virtual time begins, now if not said. Coroutines run on a loop of this backend in another
    thread. With `reraise`, what a job fails with is raised where it was enqueued, or its time advanced to.
    """
    line = Line(app, clock or datetime.now(UTC), backend, reraise=reraise)
    try:
        with without_database(app), led_to(app, _LineDoor(app, line)):
            yield line
    finally:
        line.close()


class Line:
    """The jobs of an inline block, and its clock.

    An enqueue returns when its job has run, and so has what was due besides; a job enqueued by a job runs when
    that one has ended. What is to run later waits for `advance`, `run_until_idle`, or for one who waits for it.
    """

    def __init__(self, app: App, now: datetime, backend: Backend, *, reraise: bool = False) -> None:
        self.now = now
        self._app = app
        self._reraise = reraise
        self._executor = Executor(backend)
        self._entries: dict[str, Entry] = {}
        self._holders: dict[str, Entry] = {}
        self._waiting: list[tuple[datetime, int, int, Entry]] = []
        self._order = count()
        self._lock = threading.Lock()

    @property
    def jobs(self) -> list[JobRow]:
        """Every job, in the order of enqueueing."""
        return [entry.row() for entry in self._entries.values()]

    def attempts(self, job: Job[Any] | str) -> list[Attempt]:
        """Every run of a job. Raises `JobNotFoundError`."""
        return list(self.entry(job if isinstance(job, str) else job.id).attempts)

    def advance(self, by: float | timedelta) -> None:
        """Let so many seconds pass, running what comes due at its time."""
        end = self.now + (by if isinstance(by, timedelta) else timedelta(seconds=by))
        self._run_through(end)
        self.now = max(self.now, end)

    def run_until_idle(self) -> None:
        """Let as much time pass as all jobs need to end. Raises `WaitTimeoutError` after 10,000 runs."""
        self._run_through(None)

    def take(self, jobs: Sequence[NewJob]) -> list[str]:
        """Take new jobs in and run what is due, unless within a job."""
        entries = [self._add(job) for job in jobs]
        if _inside.get() is not self:
            for entry in entries:
                self._run_if_due(entry, self.now)
            self._run_through(self.now)
        return [entry.job.id for entry in entries]

    def entry(self, job_id: str) -> Entry:
        """Find a job. Raises `JobNotFoundError`."""
        try:
            return self._entries[job_id]
        except KeyError:
            msg = f"no job {job_id} was enqueued in this inline block; look at one before its block ends"
            raise JobNotFoundError(msg) from None

    def wait_for(self, job_id: str) -> Entry:
        """Let time pass until a job has ended. Raises `WaitTimeoutError` where it cannot end."""
        entry = self.entry(job_id)
        for _ in range(MOST_RUNS):
            if entry.state.is_final or entry.state is State.RUNNING or not self._run_next(None):
                break
        if entry.state.is_final or entry.state is State.RUNNING:
            return entry
        known = entry.job.task in self._app.tasks
        why = f"it still goes on after {MOST_RUNS} runs" if known else f"the app {self._app.name} declares no such task"
        msg = f"job {job_id} of {entry.job.task} does not end: {why}"
        raise WaitTimeoutError(msg)

    def close(self) -> None:
        """End the event loop of the jobs."""
        self._executor.close()

    def _add(self, job: NewJob) -> Entry:
        entry = Entry.of(job, self.now)
        with self._lock:
            if job.unique_key is not None:
                holder = self._holders.get(job.unique_key)
                if holder is not None and not holder.state.is_final:
                    return holder
                self._holders[job.unique_key] = entry
            self._entries[job.id] = entry
            self._put_off(entry)
        return entry

    def _put_off(self, entry: Entry) -> None:
        # a job of a task that is not known here waits for ever, as for a worker that knows it
        if entry.next_run_at is not None and entry.job.task in self._app.tasks:
            heapq.heappush(self._waiting, (entry.next_run_at, -entry.job.priority, next(self._order), entry))

    def _run_through(self, until: datetime | None) -> None:
        for _ in range(MOST_RUNS):
            if not self._run_next(until):
                return
        msg = f"jobs still come after {MOST_RUNS:,} runs: advance() by the time that matters instead"
        raise WaitTimeoutError(msg)

    def _run_next(self, until: datetime | None) -> bool:
        with self._lock:
            if not self._waiting or (until is not None and self._waiting[0][0] > until):
                return False
            due, _, _, entry = heapq.heappop(self._waiting)
        self._run_if_due(entry, due)
        return True

    def _run_if_due(self, entry: Entry, at: datetime) -> None:
        with self._lock:
            # one that has been run meanwhile is found here a second time
            if entry.next_run_at is None or entry.next_run_at > at or entry.job.task not in self._app.tasks:
                return
            self.now = max(self.now, at)
            claimed = entry.claim(self.now)
        self._run(entry, claimed)

    def _run(self, entry: Entry, claimed: Claimed) -> None:
        error: BaseException | None = None
        outcome = ended_unstarted(claimed)
        if outcome is None:
            run = Run(claimed, self._app.tasks[entry.job.task])
            outcome, error = self._executor.run(run, lambda: _inside.set(self))
        with self._lock:
            entry.record(outcome, self.now)
            self._put_off(entry)
        if self._reraise and outcome.kind in FAILURES and not isinstance(error, TaskSignal):
            raise error or JobFailed(entry.job.id, entry.state, outcome.error_code, outcome.error_message)


class _LineDoor:
    """The way in to a line."""

    def __init__(self, app: App, line: Line) -> None:
        self._app = app
        self._line = line

    @property
    def ids(self) -> IdMaker:
        return self._app.door.ids

    def prepare(self) -> None:
        self._app.door.prepare()

    def put(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        return self._line.take(judge(self._app, jobs, conn))

    async def aput(self, jobs: Sequence[NewJob], conn: object | None = None) -> list[str]:
        judged = judge(self._app, jobs, conn)
        return await to_thread.run_sync(self._line.take, judged)

    def job_row(self, job_id: str) -> JobRow:
        return self._line.entry(job_id).row()

    async def ajob_row(self, job_id: str) -> JobRow:
        return self.job_row(job_id)

    def job_ending(self, job_id: str) -> Ending:
        return self._line.wait_for(job_id).ending()

    async def ajob_ending(self, job_id: str) -> Ending:
        entry = await to_thread.run_sync(self._line.wait_for, job_id)
        return entry.ending()
