"""Explains why a job is where it is: gathers what stands around it, and has it worded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgflow.codes import ErrorCode, suggested_action
from pgflow.model import OutcomeKind, State
from pgflow.store.admin import look
from pgflow.store.admin.facts import facts
from pgflow.store.admin.timeline import timeline
from pgflow.store.admin.wording import Case, paragraph
from pgflow.views import Explanation

if TYPE_CHECKING:
    from pgflow.store.admin import Run

__all__ = ["explain", "parts", "timeline"]

PLACE_BOUND = 100_000


def explain(run: Run, job_id: object) -> Explanation:
    """Explain why a job is where it is, what comes next and what to do. Raises `JobNotFoundError`."""
    row = run(look.job(job_id))
    case = Case(row, run(look.attempts(row.id)), run(facts(row.id)), run(look.dead_letter(row.id)))
    return Explanation(row.id, row.state, paragraph(case), parts(case))


def parts(case: Case) -> dict[str, Any]:
    """Say the same for programs; times are aware datetimes, what does not apply is None."""
    row, around, letter, last = case.job, case.around, case.letter, case.last
    waits = not row.state.is_final and row.state is not State.RUNNING
    queued = row.state is State.QUEUED
    return {
        "state": row.state,
        "queue": row.queue,
        "task": row.task,
        "next_run_at": row.next_run_at,
        "suggested_action": advice(case),
        "blocked_by": [code for code, _ in case.blockers] if waits else [],
        "place_in_queue": min(around.before, PLACE_BOUND) + 1 if queued else None,
        "place_is_least": queued and around.before > PLACE_BOUND,
        "queue_paused": around.paused,
        "paused_reason": around.paused_reason,
        "paused_at": around.paused_at,
        "held_back_by": case.held[0] if case.held else None,
        "held_back_because": case.held[1] if case.held else None,
        "max_in_flight": around.max_in_flight,
        "in_flight": around.in_flight,
        "max_attempts_per_minute": around.max_attempts_per_minute,
        "attempts_last_minute": around.last_minute,
        "live_workers": around.workers,
        "workers_knowing_task": around.knowing,
        "unknown_task_releases": case.unknown_releases,
        "suspect": around.suspect,
        "times_lost": sum(run.outcome is OutcomeKind.LOST for run in case.attempts),
        "times_snoozed": sum(run.outcome is OutcomeKind.SNOOZED for run in case.attempts),
        "failures": row.spent,
        "max_attempts": row.max_attempts,
        "worker_id": around.holder or row.worker_id,
        "claimed_at": around.claimed_at,
        "lease_until": around.lease_until,
        "cancel_asked_at": around.asked_at,
        "cancel_asked_by": around.asked_by,
        "error_code": last.error_code if last else None,
        "error_message": last.error_message if last else None,
        "reason_code": letter.reason_code if letter else None,
        "replayed_as": letter.replayed_as if letter else None,
        "discarded_at": letter.discarded_at if letter else None,
        "expires_at": row.expires_at,
    }


def advice(case: Case) -> str | None:
    """Say what to do: about what blocks a waiting job first, else about its last error."""
    if case.job.state is State.SUCCEEDED:
        return None
    if case.job.state in (State.QUEUED, State.SCHEDULED, State.RETRYING) and case.blockers:
        return case.blockers[0][1]
    code = case.last.error_code if case.last else None
    if code == ErrorCode.RUN_NOW and not case.job.state.is_final:
        return None
    return suggested_action(code)
