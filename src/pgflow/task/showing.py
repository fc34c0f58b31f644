"""Shows a task's arguments to people: what is secret by its name, or by the task's word, is masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pgflow.codec.calls import signature_of
from pgflow.redact import redacted, redacted_args
from pgflow.task.core import Task


def shown_call(
    tasks: Mapping[str, Task[..., Any]], name: str, args: object, kwargs: object
) -> tuple[list[Any], dict[str, Any]]:
    """Give a call's arguments with their secrets masked; a task that is not known here masks by names only."""
    task = tasks.get(name)
    sensitive = task.declared.sensitive if task is not None else ()
    given = args if isinstance(args, list) else []
    masked: dict[str, Any] = redacted(kwargs, sensitive) if isinstance(kwargs, dict) else {}
    return redacted_args(given, parameters_of(task), sensitive), masked


def parameters_of(task: Task[..., Any] | None) -> list[str]:
    """Name a task's positional parameters in order, the context left out."""
    if task is None:
        return []
    kinds = signature_of(task.function, skip_first=task.declared.bind).parameters.values()
    return [
        one.name for one in kinds if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD, one.VAR_POSITIONAL)
    ]
