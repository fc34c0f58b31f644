"""Which functions can be tasks, and what a task is called."""

from __future__ import annotations

import functools
import inspect
import sys
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Final, NoReturn

from pgflow.errors import TaskDefinitionError

_METHOD: Final = "a method: declare a module's function and give it an id to find the object by"
_KINDS: Final[tuple[tuple[type | tuple[type, ...], str], ...]] = (
    ((classmethod, staticmethod, MethodType), _METHOD),
    (type, "a class: declare a function that makes the object and uses it"),
    (functools.partial, "a partial: declare a function that calls it, or pass its arguments at enqueue"),
    (BuiltinFunctionType, "a builtin: declare a Python function that calls it"),
)


def check_function(function: object) -> FunctionType:
    """Return a function that can be a task. Raises `TaskDefinitionError` with the remedy for anything else."""
    if not isinstance(function, FunctionType):
        is_ours = hasattr(function, "enqueue")
        what = "a task already" if is_ours else "no function: declare a function that calls it"
        refuse(function, next((words for kind, words in _KINDS if isinstance(function, kind)), what))
    if function.__name__ == "<lambda>":
        refuse(function, "a lambda, which has no name: use def")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        refuse(function, "a generator, which nobody would iterate: loop in a function that returns")
    owner = function.__qualname__.rpartition(".")[0]
    if owner and not owner.endswith("<locals>"):
        refuse(function, _METHOD)
    return function


def is_nested(function: FunctionType) -> bool:
    """Say whether a function was made inside another, where no other process can import it."""
    return "<locals>" in function.__qualname__


def name_of(function: FunctionType) -> str:
    """Return `module.function`, the module under the name that others import it by."""
    module = function.__module__
    return f"{_script_name() if module == '__main__' else module}.{function.__name__}"


def refuse(function: object, why: str) -> NoReturn:
    """Raise `TaskDefinitionError`: this cannot be a task, and why."""
    name = getattr(function, "__qualname__", None) or repr(function)
    msg = f"{name} cannot be a task: it is {why}"
    raise TaskDefinitionError(msg)


def _script_name() -> str:
    # `python -m shop.tasks` and `python tasks.py` declare the tasks that `-A shop.tasks` or `-A tasks` works
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name)
    path = getattr(main, "__file__", None)
    return Path(path).stem if path else "__main__"
