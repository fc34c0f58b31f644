"""Writes tracebacks as the standard library does, but each place in the code once.

75 us for a small one otherwise, most of them spent on asking the disk whether its source has changed: four times
what a job that succeeds costs.
"""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from types import CodeType, TracebackType

PLACES_MOST: Final = 4_096
FOLDED: Final = 3
"""Of so many equal entries in a row and more, the standard library writes how often they were repeated."""
HEAD: Final = "Traceback (most recent call last):\n"
CAUSE: Final = "\nThe above exception was the direct cause of the following exception:\n\n"
CONTEXT: Final = "\nDuring handling of the above exception, another exception occurred:\n\n"

_places: dict[tuple[CodeType, int], str] = {}


def written(error: BaseException, most_frames: int) -> str:
    """Give what `traceback.format_exception(error, limit=-most_frames)` gives, as one text."""
    parts: list[str] = []
    seen: set[int] = set()
    one: BaseException | None = error
    while one is not None:
        seen.add(id(one))
        entries = None if isinstance(one, BaseExceptionGroup) else _entries(one.__traceback__, most_frames)
        if entries is None:
            return "".join(traceback.format_exception(error, limit=-most_frames))
        parts[:0] = [HEAD, *entries, *traceback.format_exception_only(one)]
        before = one.__cause__
        if before is None and not one.__suppress_context__:
            before = one.__context__
        if before is not None and id(before) not in seen:
            parts.insert(0, CAUSE if one.__cause__ is not None else CONTEXT)
            one = before
        else:
            one = None
    return "".join(parts)


def _entries(tb: TracebackType | None, most: int) -> list[str] | None:
    # None for what is better left to the standard library: no frames, or more of a kind than it would write out
    entries: list[str] = []
    repeated = 0
    while tb is not None:
        text = _places.get((tb.tb_frame.f_code, tb.tb_lasti)) or _looked_up(tb)
        repeated = repeated + 1 if entries and entries[-1] == text else 0
        if repeated >= FOLDED:
            return None
        entries.append(text)
        tb = tb.tb_next
    return entries[-most:] or None


def _looked_up(tb: TracebackType) -> str:
    if len(_places) >= PLACES_MOST:
        _places.clear()
    text = _places[tb.tb_frame.f_code, tb.tb_lasti] = "".join(traceback.format_tb(tb, limit=1))
    return text
