"""Schedules as people and programs see them: secrets among their arguments masked."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pgflow.admin import redacted, redacted_args, redacted_text

if TYPE_CHECKING:
    from pgflow.plugins.cron.rows import ScheduleRow


def masked(app: Any, row: ScheduleRow) -> ScheduleRow:
    """Mask what goes by the name of a secret, and what the task says is sensitive, where the app knows it."""
    task = app.tasks.get(row.task)
    sensitive = tuple(task.declared.sensitive) if task is not None else ()
    return replace(
        row,
        args=redacted_args(row.args, _parameters(task), sensitive),
        kwargs=redacted(row.kwargs, sensitive),
        paused_reason=None if row.paused_reason is None else redacted_text(row.paused_reason),
        last_error=None if row.last_error is None else redacted_text(row.last_error),
    )


def _parameters(task: Any) -> list[str]:
    if task is None:
        return []
    return list(inspect.signature(task.function).parameters)[1 if task.declared.bind else 0 :]
