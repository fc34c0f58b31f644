"""When slots are: cron expressions over daylight-saving changes, and periods in absolute time. No I/O."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, Protocol
from zoneinfo import ZoneInfo, available_timezones

from cronsim import CronSim, CronSimError

from pgflow import ArgumentError
from pgflow.plugins.cron.spec import MOST_CHARACTERS

if TYPE_CHECKING:
    from collections.abc import Iterator

WORDS: Final = {
    "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}  # fmt: skip
SOME_DAY: Final = datetime(2024, 1, 1, tzinfo=UTC)
WITH_SECONDS: Final = 6


class Timing(Protocol):
    """The slots of a schedule."""

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots later than a moment, in order, in UTC."""
        ...

    def steps(self, first: datetime, until: datetime) -> int:
        """Say how many slots from `first` on can be passed over at once, none of them at `until` or later."""
        ...


class CronTiming:
    """A cron expression in a time zone.

    A fixed time of day is one of the clock on the wall, as in Debian's cron: where the clock skips it, its slot is
    when the skipped time ends, and where the clock shows it twice, its slot is the first. With a `*` in minutes or
    hours a slot is each time the clock shows it: five minutes are five minutes, skipped hours and doubled ones apart.
    """

    def __init__(self, expression: str, zone: ZoneInfo) -> None:
        self._expression = WORDS.get(expression.strip().lower(), expression)
        self._zone = zone
        minute, hour = self._expression.split()[-5:-3]
        self._is_of_the_wall = not minute.startswith("*") and not hour.startswith("*")

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots later than a moment; none where none comes within fifty years."""
        local = moment.astimezone(self._zone)
        last = moment
        for found in CronSim(self._expression, local.replace(tzinfo=None) if self._is_of_the_wall else local):
            slot = self._on_the_wall(found) if self._is_of_the_wall else found.astimezone(UTC)
            # the hour that comes twice gives slots of its first turn in its second; skipped time, several at its end
            if slot > last:
                last = slot
                yield slot

    def steps(self, first: datetime, until: datetime) -> int:  # noqa: ARG002 - only counting tells
        """Say 0: slots are found one by one."""
        return 0

    def _on_the_wall(self, found: datetime) -> datetime:
        there = found.replace(tzinfo=self._zone)
        while (slot := there.astimezone(UTC)).astimezone(self._zone).replace(tzinfo=None) != found:
            found = found.replace(second=0) + timedelta(minutes=1)
            there = found.replace(tzinfo=self._zone)
        return slot


class EveryTiming:
    """A period, counted from an anchor."""

    def __init__(self, seconds: float, anchor: datetime) -> None:
        self._period = timedelta(seconds=seconds)
        self._anchor = anchor

    def after(self, moment: datetime) -> Iterator[datetime]:
        """Give the slots later than a moment."""
        nth = max((moment - self._anchor) // self._period + 1, 1)
        while True:
            yield (self._anchor + nth * self._period).astimezone(UTC)
            nth += 1

    def steps(self, first: datetime, until: datetime) -> int:
        """Count the periods that fit."""
        return max(-((first - until) // self._period), 0)


def timing(expression: str | None, seconds: float | None, tz: str, anchor: datetime) -> Timing:
    """Return when the slots of a schedule are. Raises `ArgumentError` for a time zone this machine does not know."""
    return EveryTiming(seconds, anchor) if seconds is not None else CronTiming(expression or "", zone_of(tz))


def zone_of(name: object) -> ZoneInfo:
    """Return a time zone. Raises `ArgumentError` with the nearest names there are."""
    if isinstance(name, str):
        try:
            return ZoneInfo(name)
        except (ValueError, OSError, KeyError):  # ZoneInfoNotFoundError is a KeyError; a folder's name, an OSError
            pass
    near = get_close_matches(str(name), sorted(available_timezones()), n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else "use a name such as Europe/Paris or UTC"
    msg = f"tz {name!r} is no time zone: {hint}"
    raise ArgumentError(msg)


def check_cron(expression: object, zone: ZoneInfo) -> None:
    """Refuse what is no cron expression, or never comes. Raises `ArgumentError`."""
    remedy = "use five fields, minute hour day month weekday, such as */5 * * * *, or a word such as @daily"
    why = "it is no text"
    if isinstance(expression, str):
        why = f"it is longer than {MOST_CHARACTERS} characters"
        if len(expression) <= MOST_CHARACTERS:
            why = _complaint(expression, zone)
    if why:
        msg = f"expression {expression!r:.220} cannot be read: {why}; {remedy}"
        raise ArgumentError(msg)


def _complaint(expression: str, zone: ZoneInfo) -> str:
    fields = len(WORDS.get(expression.strip().lower(), expression).split())
    if fields not in (WITH_SECONDS - 1, WITH_SECONDS):
        return f"it has {fields} fields" if fields != 1 else "it is no such word"
    try:
        first = next(CronTiming(expression, zone).after(SOME_DAY), None)
    except (CronSimError, ValueError, AssertionError) as error:
        return str(error).lower() or "a field is bad"
    return "" if first is not None else "no day is like that"
