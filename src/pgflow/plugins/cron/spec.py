"""What a schedule says: when, with which arguments, and what becomes of slots that nobody fired. Plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from pgflow import ArgumentError

MISFIRE_GRACE_SECONDS: Final = 3_600.0
LEAST_GRACE_SECONDS: Final = 5.0
"""Less than a few looks at what is due would skip slots that nobody was late for."""
LEAST_EVERY_SECONDS: Final = 1.0
MOST_SECONDS: Final = 366 * 86_400.0
MOST_CHARACTERS: Final = 200


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """A cron expression in a time zone, or a period of seconds, and how its slots are fired.

    Nothing is checked until it is declared on a task or stored, when an error can say whose it is.
    """

    expression: str | None = None
    seconds: float | None = None
    tz: str = "UTC"
    jitter: float = 0
    misfire_grace: float = MISFIRE_GRACE_SECONDS
    coalesce: bool = True
    args: Sequence[Any] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    name: str | None = None

    def __repr__(self) -> str:
        """Show it as it is declared."""
        what = f"every(seconds={self.seconds!r}" if self.expression is None else f"cron({self.expression!r}"
        zone = f", tz={self.tz!r}" if self.tz != "UTC" else ""
        named = f", name={self.name!r}" if self.name is not None else ""
        return f"{what}{zone}{named})"

    def check(self) -> None:
        """Raises `ArgumentError` naming the first field that cannot be, and the remedy."""
        from pgflow.plugins.cron.timing import check_cron, zone_of  # noqa: PLC0415 - cronsim waits until it is needed

        if self.name is not None:
            check_schedule_name("name", self.name)
        if self.expression is None:
            _check_number("seconds", self.seconds, LEAST_EVERY_SECONDS)
        else:
            check_cron(self.expression, zone_of(self.tz))
        _check_number("jitter", self.jitter, 0)
        _check_number("misfire_grace", self.misfire_grace, LEAST_GRACE_SECONDS)
        if not isinstance(self.coalesce, bool):
            msg = f"coalesce {self.coalesce!r} must be True or False"
            raise ArgumentError(msg)
        _check_call(self.args, self.kwargs)


def cron(
    expression: str,
    *,
    tz: str = "UTC",
    jitter: float | timedelta = 0,
    misfire_grace: float | timedelta = MISFIRE_GRACE_SECONDS,
    coalesce: bool = True,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Schedule:
    """Fire when a cron expression says, by the clock of a time zone such as `Europe/Paris`.

    It has five fields, minute hour day month weekday, or six with seconds first; or is `@hourly`, `@daily` and so on.
    A slot more than `misfire_grace` seconds late is skipped; with `coalesce`, of several late ones the last fires.
    `jitter`: each job is put off by up to so many seconds. `args` and `kwargs` are the task's.
    """
    return Schedule(
        expression=expression, tz=tz, jitter=_seconds(jitter), misfire_grace=_seconds(misfire_grace),
        coalesce=coalesce, args=args, kwargs={} if kwargs is None else kwargs, name=name,
    )  # fmt: skip


def every(
    period: float | timedelta = 0,
    /,
    *,
    seconds: float = 0,
    minutes: float = 0,
    hours: float = 0,
    jitter: float | timedelta = 0,
    misfire_grace: float | timedelta = MISFIRE_GRACE_SECONDS,
    coalesce: bool = True,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    name: str | None = None,
) -> Schedule:
    """Fire each time a period has passed since the schedule was first known, in absolute time; see `cron` for the rest.

    Give a timedelta or seconds, or minutes and hours; they add up.
    """
    return Schedule(
        seconds=_in_all(_seconds(period), _seconds(seconds), minutes, hours), jitter=_seconds(jitter),
        misfire_grace=_seconds(misfire_grace), coalesce=coalesce, args=args,
        kwargs={} if kwargs is None else kwargs, name=name,
    )  # fmt: skip


def schedules_of(given: object) -> tuple[Schedule, ...]:
    """Return what was declared as a tuple, each checked. Raises `ArgumentError`."""
    found: list[Schedule] = []
    for each in given if isinstance(given, list | tuple) else (given,):
        if not isinstance(each, Schedule):
            msg = f"{each!r} is no schedule: use cron(…) or every(…), or a list of them"
            raise ArgumentError(msg)
        try:
            each.check()
        except ArgumentError as error:
            msg = f"{each!r}: {error}"
            raise ArgumentError(msg) from None
        found.append(each)
    return tuple(found)


def check_schedule_name(what: str, value: object) -> None:
    """Refuse what cannot be a schedule's name. Raises `ArgumentError`."""
    from pgflow.admin import check_name  # noqa: PLC0415 - it brings the database's driver

    check_name(what, value)


def _check_number(what: str, value: object, least: float) -> None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not (good and isinstance(value, int | float) and least <= value <= MOST_SECONDS):
        msg = f"{what} {value!r} must be a number of seconds from {least:g} to {MOST_SECONDS:.0f}"
        raise ArgumentError(msg)


def _check_call(args: object, kwargs: object) -> None:
    from pgflow.admin import encode_value  # noqa: PLC0415 - it brings pydantic

    if not isinstance(args, list | tuple):
        msg = f"args {args!r:.80} must be a list or tuple of the task's positional arguments"
        raise ArgumentError(msg)
    if not isinstance(kwargs, Mapping) or not all(isinstance(word, str) for word in kwargs):
        msg = f"kwargs {kwargs!r:.80} must be a dict of the task's keyword arguments"
        raise ArgumentError(msg)
    encode_value(list(args), "args")
    encode_value(dict(kwargs), "kwargs")


def _in_all(period: Any, seconds: Any, minutes: Any, hours: Any) -> Any:
    try:
        return period + seconds + 60 * minutes + 3_600 * hours
    except TypeError:  # what is no number is named where the schedule is checked
        return next(value for value in (period, seconds, minutes, hours) if not isinstance(value, int | float))


def _seconds(value: Any) -> Any:
    return value.total_seconds() if isinstance(value, timedelta) else value
