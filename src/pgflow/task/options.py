"""How a task is declared: its options, each checked, and what follows from them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from types import FunctionType
from typing import Any, Final, Literal, TypeAlias, TypedDict

from pydantic import TypeAdapter, ValidationError

from pgflow.errors import ArgumentError, TaskDefinitionError
from pgflow.model import check_integer, check_name, check_seconds
from pgflow.retry import DEFAULT_POLICY, Fixed, RetryPolicy
from pgflow.task.celery import translate
from pgflow.task.naming import check_function, is_nested, name_of, refuse
from pgflow.task.words import TASK_WORDS, strangers

Executor: TypeAlias = Literal["async", "thread", "process"]
ErrorTypes: TypeAlias = tuple[type[BaseException], ...]

EXECUTORS: Final = ("async", "thread", "process")
OF_PLUGINS: Final = frozenset({"schedule", "retry_for", "max_payload_bytes"})


class TaskKeywords(TypedDict, total=False):
    """The keywords of `@app.task`, `bind` excepted: it changes the function's type.

    The last three are known to type checkers only: plugins add and check them.
    """

    name: str
    queue: str
    max_attempts: int
    timeout: float | timedelta | None
    priority: int
    executor: Executor
    keep_result: bool
    concurrency: int | None
    retry_policy: RetryPolicy | float
    autoretry_for: ErrorTypes
    dont_autoretry_for: ErrorTypes
    max_retries: int | None
    retry_backoff: bool | float
    retry_backoff_max: float
    retry_jitter: bool
    default_retry_delay: float
    sensitive: tuple[str, ...]
    schedule: object
    retry_for: Mapping[type[BaseException], RetryPolicy | float | timedelta]
    max_payload_bytes: int


OWN_WORDS: Final = frozenset({*TaskKeywords.__annotations__, "bind"}) - OF_PLUGINS


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskOptions:
    """A declared task's options. `timeout` is in seconds; `concurrency` is per worker process, None for no limit.

    `sensitive` names arguments that are never shown; `extra` holds the options that plugins have added.
    """

    name: str
    queue: str = "default"
    max_attempts: int = 25
    timeout: float | None = None
    priority: int = 0
    executor: Executor = "thread"
    keep_result: bool = False
    bind: bool = False
    concurrency: int | None = None
    retry_policy: RetryPolicy = DEFAULT_POLICY
    autoretry_for: ErrorTypes = ()
    dont_autoretry_for: ErrorTypes = ()
    sensitive: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def retries(self, error: BaseException) -> bool:
        """Say whether an error is one that is tried again.

        Every error is, unless `autoretry_for` names others only or `dont_autoretry_for` names it.
        """
        if self.dont_autoretry_for and isinstance(error, self.dont_autoretry_for):
            return False
        return not self.autoretry_for or isinstance(error, self.autoretry_for)


def make_options(
    function: Callable[..., Any], keywords: Mapping[str, Any], plugin_options: Mapping[str, Any] | None = None
) -> TaskOptions:
    """Return the options of a function declared with these keywords, `plugin_options` giving each added one's type.

    Raises `TaskDefinitionError` for a function that cannot be a task and for a keyword that is no option,
    or has a value it cannot take.
    """
    checked = check_function(function)
    name = keywords.get("name", name_of(checked))
    try:
        return TaskOptions(**_checked_options(checked, {"name": name, **_known(keywords, plugin_options or {})}))
    except (ArgumentError, TaskDefinitionError) as error:
        msg = f"task {name}: {error}"
        raise TaskDefinitionError(msg) from None


def _known(keywords: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    complaint = strangers(keywords, {*OWN_WORDS, *added}, TASK_WORDS)
    if complaint:
        raise TaskDefinitionError(complaint)
    options = translate({name: value for name, value in keywords.items() if name not in added})
    options["extra"] = {name: _checked(name, value, added[name]) for name, value in keywords.items() if name in added}
    return options


def _checked_options(function: FunctionType, options: dict[str, Any]) -> dict[str, Any]:
    check_name("name", options["name"])
    check_name("queue", options.get("queue", "default"))
    check_integer("max_attempts", options.get("max_attempts", 1), 1)
    check_integer("priority", options.get("priority", 0), -(2**31) + 1)
    if options.get("concurrency") is not None:
        check_integer("concurrency", options["concurrency"], 1)
    for word in ("keep_result", "bind"):
        _check_boolean(word, options.get(word, False))
    if "sensitive" in options:
        options["sensitive"] = _names("sensitive", options["sensitive"])
    if "timeout" in options:
        options["timeout"] = seconds_of(options["timeout"])
        check_seconds("timeout", options["timeout"], positive=True)
    if "retry_policy" in options:
        options["retry_policy"] = _policy(options["retry_policy"])
    for word in ("autoretry_for", "dont_autoretry_for"):
        options[word] = _error_types(word, options.get(word, ()))
    options["executor"] = _executor(function, options.get("executor"))
    if options.get("bind") and not _takes_a_place(function):
        refuse(function, "declared with bind=True and takes no positional argument: add one for the context")
    return options


def _executor(function: FunctionType, asked: object) -> Executor:
    is_async = inspect.iscoroutinefunction(function)
    if asked is None:
        return "async" if is_async else "thread"
    if asked not in EXECUTORS:
        msg = f"executor {asked!r} must be one of {', '.join(EXECUTORS)}"
        raise TaskDefinitionError(msg)
    if is_async != (asked == "async"):
        remedy = "use def" if is_async else "use async def, or leave the executor out"
        what = "async" if is_async else "a plain function"
        refuse(function, f"{what} and declared with executor={asked!r}: {remedy}")
    if asked == "process" and is_nested(function):
        refuse(function, "made inside a function, where a process cannot import it: move it to the module")
    return asked


def _policy(given: object) -> RetryPolicy:
    if callable(given):
        return given
    if isinstance(given, int | float):
        return Fixed(given)
    msg = f"retry_policy {given!r} must be a policy, a function of (failures, error), or a number of seconds"
    raise TaskDefinitionError(msg)


def _names(word: str, given: object) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else given
    if not isinstance(names, tuple | list | set | frozenset) or not all(isinstance(name, str) for name in names):
        msg = f"{word} {given!r} must be names of arguments, such as ('card',)"
        raise TaskDefinitionError(msg)
    return tuple(names)


def _error_types(word: str, given: object) -> ErrorTypes:
    types = tuple(given) if isinstance(given, tuple | list | set | frozenset) else (given,)
    for kind in types:
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            msg = f"{word} {kind!r} must be a tuple of exception classes"
            raise TaskDefinitionError(msg)
    return types


def _takes_a_place(function: FunctionType) -> bool:
    first = next(iter(inspect.signature(function).parameters.values()), None)
    return first is not None and first.kind in (first.POSITIONAL_ONLY, first.POSITIONAL_OR_KEYWORD)


def _checked(name: str, value: object, kind: Any) -> object:
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        msg = f"{name} {value!r}: {error.errors()[0]['msg']}"
        raise TaskDefinitionError(msg) from None


def _check_boolean(word: str, value: object) -> None:
    if not isinstance(value, bool):
        msg = f"{word} {value!r} must be True or False"
        raise TaskDefinitionError(msg)


def seconds_of(value: Any) -> Any:
    """Return a timedelta as seconds, and anything else as it is."""
    return value.total_seconds() if isinstance(value, timedelta) else value
