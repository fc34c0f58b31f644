"""Lines for a terminal: styled, wrapped or cut to its width, secrets masked; nothing is said by colour alone."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from pgflow.commands.output import one_line
from pgflow.redact import redacted_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    Part = str | tuple[str, str]

QUIET: Final = "dim"
HEADING: Final = "bold"
COMMAND: Final = "cyan"
BAD: Final = "bold red"
STYLES: Final = {
    "succeeded": "green", "running": "cyan", "started": "cyan", "claimed": "cyan", "queued": "", "scheduled": "blue",
    "retrying": "yellow", "retry": "yellow", "failed": "red", "lost": "red", "dead": BAD, "expired": QUIET,
    "cancelled": QUIET, "snoozed": "blue", "paused": "yellow", "critical": BAD, "warning": "yellow", "silent": "red",
}  # fmt: skip
LEAST_WIDTH: Final = 16
"""Narrower than this, lines are as they would be here."""


def style_of(state: object) -> str:
    """Give the colour a state goes by."""
    return STYLES.get(str(state), "")


def safe(value: object) -> str:
    """Write a value for a line, its secrets masked."""
    return redacted_text(one_line(value))


def line(*parts: Part) -> Text:
    """Put texts together, each alone or with its style."""
    return Text.assemble(*parts)


def heading(title: str, more: str = "") -> Text:
    """Write the title of a section, with what is said beside it."""
    return line((title, HEADING), (f"  {more}" if more else "", QUIET))


def wrapped(content: Text, width: int | None, first: str = "", rest: str | None = None) -> list[Text]:
    """Break a text into lines of a width, `first` before the first and `rest` before those that follow."""
    if width is None:
        return [line(first).append_text(content)]
    following = " " * len(first) if rest is None else rest
    broken = content.wrap(_nowhere(), max(width - max(len(first), len(following)), LEAST_WIDTH), overflow="fold")
    return [line(following if place else first).append_text(one) for place, one in enumerate(broken)]


def cut(content: Text, width: int | None) -> Text:
    """Cut a line that is too long, and say so by an ellipsis."""
    if width is not None and content.cell_len > width:
        content = content.copy()
        content.truncate(max(width, 1), overflow="ellipsis")
    return content


def aligned(rows: Sequence[Sequence[Text]], right: Iterable[int] = (), gap: str = "  ") -> list[Text]:
    """Put cells below each other; the columns in `right` end at one edge."""
    if not rows:
        return []
    ends = frozenset(right)
    widths = [max(cell.cell_len for cell in column) for column in zip(*rows, strict=True)]
    return [_row(cells, widths, ends, gap) for cells in rows]


def printed(lines: Iterable[Text], console: Console | None = None) -> None:
    """Print lines as they are: in colour on a terminal that wants it, plain in a pipe."""
    shown = console or Console(highlight=False)
    for one in lines:
        one.rstrip()
        shown.print(one, soft_wrap=True, highlight=False)
    sys.stdout.flush()


def width_of_terminal() -> int | None:
    """Give the width to fit; None in a pipe, whose lines are as long as they are."""
    return Console().width if sys.stdout.isatty() else None


def _row(cells: Sequence[Text], widths: Sequence[int], ends: frozenset[int], gap: str) -> Text:
    made = Text()
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        room = " " * (width - cell.cell_len)
        made.append(gap if place else "")
        made.append(room if place in ends else "")
        made.append_text(cell)
        made.append("" if place in ends else room)
    made.rstrip()
    return made


@cache
def _nowhere() -> Console:
    # rich wants a console to wrap for, and asks it nothing that matters
    return Console(width=80, legacy_windows=False)
