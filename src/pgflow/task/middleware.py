"""Wrappers around a task's runs, in one shape whatever they were written as."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from pgflow.errors import TaskDefinitionError
from pgflow.model import Claimed
from pgflow.retry import RetryPolicy
from pgflow.task.context import Context

Call: TypeAlias = Callable[[], Any]
Wrapper: TypeAlias = Callable[[Context, Call], Any]
Judge: TypeAlias = Callable[[Claimed, BaseException], object | None]


@dataclass(frozen=True, slots=True)
class Wiring:
    """What plugins have made of a task: its retry policy, what wraps its runs, and who judges its failures."""

    policy: RetryPolicy
    wrappers: tuple[Wrapper, ...] = ()
    judge: Judge | None = None


def fits(function: Callable[..., Any], *, is_async: bool) -> bool:
    """Say whether a middleware can wrap such a task: only one that awaits cannot wrap a plain function."""
    return is_async or not (inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function))


def as_wrapper(function: Callable[..., Any], *, is_async: bool) -> Wrapper:
    """Give the wrapper of `(job, call)` that a middleware means.

    It is a generator function of `(job)` that yields once, or a function of `(job, call)` that returns `call()`; an
    async one of either kind wraps async tasks only. Raises `TaskDefinitionError` for what cannot wrap such a task.
    """
    if not callable(function):
        msg = f"middleware {function!r} must be a function of (job, call), or a generator function of (job)"
        raise TaskDefinitionError(msg)
    if not fits(function, is_async=is_async):
        msg = f"middleware {_name(function)} is async and cannot wrap a plain function: write it without await"
        raise TaskDefinitionError(msg)
    if inspect.isasyncgenfunction(function):
        return _around_await_async(asynccontextmanager(function))
    if inspect.isgeneratorfunction(function):
        entered = contextmanager(function)
        return _around_await(entered) if is_async else _around(entered)
    return function


def call(function: Callable[..., Any], wiring: Wiring, job: Context | None, given: tuple[Any, Any]) -> Any:
    """Call a task's function within its wrappers; for an async one, what comes back is to be awaited."""
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    args, kwargs = given
    if not wiring.wrappers or job is None:
        return function(*args, **kwargs)
    inner: Call = partial(function, *args, **kwargs)
    for wrapper in reversed(wiring.wrappers):
        inner = partial(wrapper, job, inner)
    return inner()


def _around(entered: Callable[[Context], Any]) -> Wrapper:
    def wrapper(job: Context, inner: Call) -> Any:
        with entered(job):
            return inner()

    return wrapper


def _around_await(entered: Callable[[Context], Any]) -> Wrapper:
    async def wrapper(job: Context, inner: Call) -> Any:
        with entered(job):
            return await inner()

    return wrapper


def _around_await_async(entered: Callable[[Context], Any]) -> Wrapper:
    async def wrapper(job: Context, inner: Call) -> Any:
        async with entered(job):
            return await inner()

    return wrapper


def _name(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
