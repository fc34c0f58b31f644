"""How jobs and their attempts are shown, in today's words and the older ones, with secrets masked."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import redacted, redacted_text, shown_call, suggested_action
from pgflow.plugins.admin.api.fields import status_of

if TYPE_CHECKING:
    from pgflow.admin import Attempt, JobRow

MESSAGE_CHARACTERS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class JobItem:
    """A job in a list. `status`, `job_type`, `last_error` and `dlq_reason_code` are the older words.

    `worker_id` is who has it now, `last_worker_id` who has it or had it last.
    """

    job_id: str
    id: str
    state: str
    status: str
    queue: str
    job_type: str
    task: str
    priority: int
    max_attempts: int
    attempt: int
    spent: int
    created_at: datetime
    run_at: datetime
    next_run_at: datetime | None
    expires_at: datetime | None
    finished_at: datetime | None
    worker_id: str | None
    last_worker_id: str | None
    error_code: str | None
    error_message: str | None
    last_error: str | None
    reason_code: str | None
    dlq_reason_code: str | None
    replay_of: str | None
    root_id: str | None
    parent_id: str | None
    dataset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptItem:
    """One numbered run of a job; `status` is the older word for `outcome`, `latency_ms` how long it took."""

    attempt_no: int
    status: str
    outcome: str
    started_at: datetime | None
    finished_at: datetime
    latency_ms: float | None
    worker_id: str | None
    error_code: str | None
    error_message: str | None
    traceback: str | None
    suggested_action: str | None
    next_run_at: datetime | None
    result: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDetail(JobItem):
    """All of a job but its secrets. `payload_json` is its keyword arguments, or else its positional ones."""

    args: list[Any]
    kwargs: dict[str, Any]
    payload_json: Any
    headers: dict[str, Any]
    timeout: float | None
    keep_result: bool
    unique_key: str | None
    attempts: list[AttemptItem]


def item(row: JobRow, *, message_characters: int | None = MESSAGE_CHARACTERS) -> JobItem:
    """Show a job in a list, its error's text cut."""
    return JobItem(**_shown(row, message_characters))


def detail(app: Any, row: JobRow, attempts: list[Attempt]) -> JobDetail:
    """Show all of a job but its secrets."""
    sensitive = sensitive_of(app, row.task)
    args, kwargs = shown_call(app.tasks, row.task, row.args, row.kwargs)
    return JobDetail(
        **_shown(row, None),
        args=args,
        kwargs=kwargs,
        payload_json=args if args and not kwargs else kwargs,
        headers=redacted(dict(row.headers or {}), sensitive),
        timeout=row.timeout,
        keep_result=row.keep_result,
        unique_key=row.unique_key,
        attempts=[attempt_item(attempt, sensitive) for attempt in attempts],
    )


def attempt_item(attempt: Attempt, sensitive: tuple[str, ...] = ()) -> AttemptItem:
    """Show one attempt."""
    began, ended = attempt.started_at, attempt.finished_at
    return AttemptItem(
        attempt_no=attempt.attempt,
        status=status_of(attempt.outcome),
        outcome=attempt.outcome.value,
        started_at=began,
        finished_at=ended,
        latency_ms=None if began is None else round((ended - began).total_seconds() * 1000, 3),
        worker_id=attempt.worker_id,
        error_code=attempt.error_code,
        error_message=masked(attempt.error_message),
        traceback=masked(attempt.traceback),
        suggested_action=suggested_action(attempt.error_code),
        next_run_at=attempt.next_run_at,
        result=redacted(attempt.result, sensitive),
    )


def sensitive_of(app: Any, name: str) -> tuple[str, ...]:
    """The arguments that a task says are sensitive, where it is known here."""
    task = app.tasks.get(name)
    return tuple(task.declared.sensitive) if task is not None else ()


def masked(text: str | None, most: int | None = None) -> str | None:
    """Mask the secrets of a text, cut it where it is longer than `most` characters."""
    if text is None:
        return None
    shown = redacted_text(text)
    return shown if most is None or len(shown) <= most else f"{shown[:most]}…"


def plain(value: Any) -> dict[str, Any]:
    """A row's fields by name."""
    return {field.name: getattr(value, field.name) for field in fields(value)}


def _shown(row: JobRow, most: int | None) -> dict[str, Any]:
    message = masked(row.error_message, most)
    return {
        "job_id": row.id, "id": row.id, "state": row.state.value, "status": status_of(row.state),
        "queue": row.queue, "job_type": row.task, "task": row.task, "priority": row.priority,
        "max_attempts": row.max_attempts, "attempt": row.attempt, "spent": row.spent, "created_at": row.created_at,
        "run_at": row.run_at, "next_run_at": row.next_run_at, "expires_at": row.expires_at,
        "finished_at": row.finished_at, "worker_id": row.worker_id if row.state.value == "running" else None,
        "last_worker_id": row.worker_id, "error_code": row.error_code, "error_message": message,
        "last_error": message or row.error_code, "reason_code": row.reason_code, "dlq_reason_code": row.reason_code,
        "replay_of": row.replay_of, "root_id": row.root_id, "parent_id": row.parent_id, "dataset": row.dataset,
    }  # fmt: skip
