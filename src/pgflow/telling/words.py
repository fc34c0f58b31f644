"""Words and numbers as people read them: lengths of time, counts, shares, moments; the filters of the templates."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

MINUTE: Final = 60
HOUR: Final = 3_600
DAY: Final = 86_400
PARTS: Final = ((DAY, "d", HOUR, "h"), (HOUR, "h", MINUTE, "min"), (MINUTE, "min", 1, "s"))
NOTHING: Final = "\N{EN DASH}"
UTC_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\+00:00")
COUNTED_TO: Final = 100_000
"""Where the store stops counting; one more means more than these."""


def span(seconds: float | None) -> str:
    """Write a length of time in two units at most: `340 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return NOTHING
    whole = abs(seconds)
    for size, unit, smaller, small in PARTS:
        if whole >= size:
            count, rest = divmod(int(whole), size)
            return f"{count} {unit} {rest // smaller} {small}" if rest // smaller else f"{count} {unit}"
    if whole >= 10:  # noqa: PLR2004 - from here on tenths are noise
        return f"{whole:.0f} s"
    if whole >= 1:
        return f"{whole:.1f} s"
    return f"{whole * 1000:.0f} ms" if whole >= 0.01 or not whole else f"{whole * 1000:.1f} ms"  # noqa: PLR2004 - as above


def milliseconds(value: float | None) -> str:
    """Write milliseconds as a length of time."""
    return NOTHING if value is None else span(value / 1_000)


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Say how far a moment is from now: `3 min ago`, `in 2 h`."""
    if moment is None:
        return NOTHING
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    if abs(seconds) < 1:
        return "now"
    first = " ".join(span(float(int(seconds))).split()[:2])
    return f"{first} ago" if seconds > 0 else f"in {first}"


def clock(moment: datetime | None) -> str:
    """Write a moment in full, in UTC, to the millisecond."""
    if moment is None:
        return NOTHING
    at = moment.astimezone(UTC)
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"


def short_clock(moment: datetime | None) -> str:
    """Write the time of day, in UTC, to the millisecond."""
    return NOTHING if moment is None else clock(moment)[11:23]


def number(value: float | None) -> str:
    """Write a number with its thousands apart, and what the store stopped counting as `100,000+`."""
    if value is None:
        return NOTHING
    if value == COUNTED_TO + 1:
        return f"{COUNTED_TO:,}+"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}"


def rate(value: float | None) -> str:
    """Write so many a second, with as many digits as say something."""
    if value is None:
        return NOTHING
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 1 or not value else f"{value:.2f}"  # noqa: PLR2004 - three digits


def percent(share: float | None) -> str:
    """Write a share in percent; what is little and not nothing is not said to be nothing."""
    if share is None:
        return NOTHING
    if not share:
        return "0 %"
    return "<0.1 %" if share < 0.001 else f"{share * 100:.1f} %"  # noqa: PLR2004 - what rounds to nothing


def plural(count: int, one: str, many: str | None = None) -> str:
    """Say how many there are of a thing: `1 job`, `2 jobs`."""
    return f"{number(count)} {one if count == 1 else many or one + 's'}"


def first_line(text: str | None, most: int = 200) -> str:
    """Give the first line of a text that says something, cut where it is long."""
    line = next((one.strip() for one in (text or "").splitlines() if one.strip()), "")
    return line if len(line) <= most else f"{line[:most]}…"


def short_id(job_id: str | None) -> str:
    """Give the end of an id: its beginning is the time, which neighbours share."""
    return NOTHING if job_id is None else f"…{job_id[-8:]}"


def pretty(value: Any) -> str:
    """Write JSON for people."""
    return json.dumps(value, indent=2, ensure_ascii=False, default=str)


def spoken(paragraph: str, job_id: str, task: str) -> list[tuple[str, bool]]:
    """Cut an explanation where its code begins and ends, each part with whether it is code.

    Which job it is, and that times are in UTC, is known to who reads it here.
    """
    named = paragraph.replace(f"Job {job_id} ({task})", "This job", 1)
    parts = UTC_TIME.sub(r"\1 UTC", named).split("`")
    return [(text, bool(place % 2)) for place, text in enumerate(parts) if text]


FILTERS: Final = {
    "span": span, "milliseconds": milliseconds, "ago": ago, "clock": clock, "short_clock": short_clock,
    "number": number, "rate": rate, "percent": percent, "plural": plural, "first_line": first_line,
    "short_id": short_id, "pretty": pretty,
}  # fmt: skip
