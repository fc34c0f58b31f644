"""What becomes of the jobs of an inline line, kept in memory as the tables would keep it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import from_json

from pgflow.model import Attempt, Claimed, JobRow, OutcomeKind, State
from pgflow.views import Ending

if TYPE_CHECKING:
    from pgflow.model import NewJob, Outcome

WORKER: Final = "inline"
ENDS: Final = {
    OutcomeKind.SUCCEEDED: State.SUCCEEDED,
    OutcomeKind.DEAD: State.DEAD,
    OutcomeKind.CANCELLED: State.CANCELLED,
    OutcomeKind.EXPIRED: State.EXPIRED,
}


@dataclass(slots=True, eq=False)
class Entry:
    """One job, where it stands and its runs so far. All times are virtual."""

    job: NewJob
    created_at: datetime
    run_at: datetime
    state: State
    next_run_at: datetime | None
    attempt: int = 1
    spent: int = 0
    attempts: list[Attempt] = field(default_factory=list)
    reason_code: str | None = None

    @classmethod
    def of(cls, job: NewJob, now: datetime) -> Entry:
        """Take a new job in."""
        run_at = max(now, job.run_at or now + timedelta(seconds=job.delay or 0))
        return cls(job, now, run_at, State.SCHEDULED if run_at > now else State.QUEUED, run_at)

    @property
    def expires_at(self) -> datetime | None:
        """When it may not start any more."""
        if self.job.expires_in is not None:
            return self.created_at + timedelta(seconds=self.job.expires_in)
        return self.job.expires_at

    def claim(self, now: datetime) -> Claimed:
        """Take it in hand, as a worker's claim would give it."""
        job, due = self.job, self.next_run_at or now
        self.state, self.next_run_at = State.RUNNING, None
        expires_at = self.expires_at
        return Claimed(
            lease_id=WORKER, job_id=job.id, attempt=self.attempt, spent=self.spent, suspect=False, rank=-job.priority,
            queue=job.queue, task=job.task, args=job.args, kwargs=job.kwargs, max_attempts=job.max_attempts,
            timeout=job.timeout, keep_result=job.keep_result, expired=expires_at is not None and expires_at <= now,
            cancelled=False, headers=job.headers, waited=(now - due).total_seconds(),
            age=(now - self.run_at).total_seconds(),
        )  # fmt: skip

    def record(self, outcome: Outcome, now: datetime) -> None:
        """Write down how a run ended, and what follows."""
        again = None if outcome.delay is None else now + timedelta(seconds=outcome.delay)
        self.spent, self.reason_code, self.next_run_at = outcome.spent, outcome.reason_code, again
        self.attempts.append(
            Attempt(
                self.attempt, outcome.kind, WORKER, now, now, outcome.error_code, outcome.error_message,
                outcome.traceback, again, self.spent, from_json(outcome.result) if outcome.result else None,
            )
        )  # fmt: skip
        self.state = ENDS.get(outcome.kind) or (State.RETRYING if self.spent else State.SCHEDULED)
        if not self.state.is_final:
            self.attempt += 1

    def ending(self) -> Ending:
        """Tell how it ended, to one who waits."""
        last = self.attempts[-1] if self.attempts else None
        if last is None or not self.state.is_final:
            return Ending(None, None, None, None)
        return Ending(self.state, last.result, last.error_code, last.error_message)

    def row(self) -> JobRow:
        """Show it as the store would."""
        job, last = self.job, self.attempts[-1] if self.attempts else None
        return JobRow(
            id=job.id, state=self.state, queue=job.queue, task=job.task, args=_plain(job.args),
            kwargs=_plain(job.kwargs), priority=job.priority, max_attempts=job.max_attempts, attempt=self.attempt,
            spent=self.spent, created_at=self.created_at, run_at=self.run_at, next_run_at=self.next_run_at,
            expires_at=self.expires_at, finished_at=last.finished_at if last and self.state.is_final else None,
            worker_id=WORKER if last or self.state is State.RUNNING else None,
            error_code=last.error_code if last else None, error_message=last.error_message if last else None,
            reason_code=self.reason_code, replay_of=job.replay_of, root_id=job.root_id, parent_id=job.parent_id,
            headers=job.headers, dataset=WORKER, timeout=job.timeout, keep_result=job.keep_result,
            unique_key=job.unique_key,
        )  # fmt: skip


def _plain(text: str | None) -> Any:
    return None if text is None else from_json(text)
