"""A declared function and the ways to ask for a run of it."""

from __future__ import annotations

from pgflow.task.context import Context
from pgflow.task.core import BoundTask, Task
from pgflow.task.declare import BindingDecorator, TaskDecorator, make_task
from pgflow.task.door import Door
from pgflow.task.options import TaskKeywords, TaskOptions
from pgflow.task.sending import SendKeywords

__all__ = [
    "BindingDecorator",
    "BoundTask",
    "Context",
    "Door",
    "SendKeywords",
    "Task",
    "TaskDecorator",
    "TaskKeywords",
    "TaskOptions",
    "make_task",
]
