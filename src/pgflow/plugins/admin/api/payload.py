"""A job's arguments on their way in: written as stored, checked where the task is known, mended where masked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pgflow import JobError, TaskDefinitionError
from pgflow.admin import Problem, shown_call

if TYPE_CHECKING:
    from pgflow.admin import Source

Texts = tuple["str | None", "str | None"]


def to_text(payload: dict[str, Any] | list[Any]) -> str | None:
    """Write arguments as they are stored; None where there are none."""
    return json.dumps(payload, ensure_ascii=False, allow_nan=False, separators=(",", ":")) if payload else None


def check_call(task: Any, args: str | None, kwargs: str | None, pointer: str) -> None:
    """Raise `Problem`, 422, where arguments do not fit a task."""
    try:
        task.decode(args, kwargs)
    except JobError as error:
        raise Problem(422, "BAD_ARGUMENTS", str(error), pointer=pointer) from None
    except TaskDefinitionError:
        return  # what an annotation means is known to the workers only
    except Exception as error:
        detail = f"{task.name}: a validator of its own raised {type(error).__name__}"
        raise Problem(422, "BAD_ARGUMENTS", detail, pointer=pointer) from error


def changed_call(app: Any, source: Source, args: list[Any] | None, kwargs: dict[str, Any] | None) -> Texts:
    """Give the arguments of a replay whose own are changed; what is given as it is shown is as it was.

    Raises `Problem`, 422, where they do not fit the task, which is known here.
    """
    were_args, were_kwargs = json.loads(source.args or "[]"), json.loads(source.kwargs or "{}")
    shown_args, shown_kwargs = shown_call(app.tasks, source.task, were_args, were_kwargs)
    wanted = (
        to_text(were_args if args is None else mended(args, shown_args, were_args)),
        to_text(were_kwargs if kwargs is None else mended(kwargs, shown_kwargs, were_kwargs)),
    )
    task = app.tasks.get(source.task)
    if task is not None:
        check_call(task, *wanted, "/kwargs" if kwargs is not None else "/args")
    return wanted


def mended(given: Any, shown: Any, was: Any) -> Any:
    """Put back what had been masked, wherever a value stands as it was shown."""
    if given == shown and type(given) is type(shown):
        return was
    if isinstance(given, dict) and isinstance(shown, dict) and isinstance(was, dict) and len(shown) == len(was):
        # a name may be masked in part too, and stands in its place
        names = dict(zip(shown, was, strict=True))
        return {
            names.get(name, name): mended(value, shown[name], was[names[name]]) if name in names else value
            for name, value in given.items()
        }
    if isinstance(given, list) and isinstance(shown, list) and isinstance(was, list):
        pairs = list(zip(shown, was, strict=False))
        return [mended(value, *pairs[place]) if place < len(pairs) else value for place, value in enumerate(given)]
    return given
