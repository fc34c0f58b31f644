"""The types of `@app.task`, and the making of a task."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from pgflow.task.context import Context
from pgflow.task.core import Task
from pgflow.task.door import Door
from pgflow.task.options import make_options

P = ParamSpec("P")
R = TypeVar("R")


class TaskDecorator(Protocol):
    """Makes a task of a function."""

    def __call__(self, function: Callable[P, R], /) -> Task[P, R]:
        """Declare the function."""
        ...


class BindingDecorator(Protocol):
    """Makes a task of a function whose first argument is the worker's to give."""

    def __call__(self, function: Callable[Concatenate[Context, P], R], /) -> Task[P, R]:
        """Declare the function."""
        ...


def make_task(
    function: Callable[..., Any],
    door: Door,
    keywords: Mapping[str, Any],
    plugin_options: Mapping[str, Any] | None = None,
) -> Task[..., Any]:
    """Return a task. Raises `TaskDefinitionError` where the function or a keyword cannot be one's."""
    return Task(function, make_options(function, keywords, plugin_options), door)
