"""Columns that leave when there is no room for them, and sections that share the height of a terminal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from rich.text import Text

from pgflow.cli import ink

if TYPE_CHECKING:
    from collections.abc import Sequence

LEAST_NAME: Final = 12
ROOMY_NAME: Final = 24
DISPENSABLE: Final = 5
"""From this rank on, a column leaves rather than that a name is cut to fewer than `ROOMY_NAME`."""
SPARKS: Final = "▁▂▃▄▅▆▇█"


@dataclass(frozen=True, slots=True)
class Column:
    """A column. The first of a grid stays and gives way; of the others those with the highest `rank` leave first."""

    title: str
    rank: int = 0
    right: bool = True


@dataclass(frozen=True, slots=True)
class Section:
    """Some lines under a head; a block's lines stand together, and what has no room is counted.

    Of several that have no room together, the one with the highest `rank` leaves first. One that is `whole` is shown
    so or not at all.
    """

    head: list[Text]
    blocks: list[list[Text]] = field(default_factory=list)
    rank: int = 0
    whole: bool = False

    @property
    def height(self) -> int:
        """How many lines it has."""
        return len(self.head) + sum(map(len, self.blocks))

    @property
    def least(self) -> int:
        """How many lines it takes to say something."""
        some = len(self.head) + max(map(len, self.blocks), default=0) + 1
        return self.height if self.whole else min(some, self.height)

    def lines(self, most: int) -> list[Text]:
        """Give what fits into so many lines."""
        if self.height <= most:
            return [*self.head, *(one for block in self.blocks for one in block)]
        made = self.head[:most]
        shown = 0
        for block in self.blocks:
            if len(made) + len(block) > most - 1:
                break
            made += block
            shown += 1
        if len(made) < most:
            made.append(ink.line((f"  … {len(self.blocks) - shown} more", ink.QUIET)))
        return made


def grid(columns: Sequence[Column], rows: Sequence[Sequence[Text]], width: int | None) -> list[Text]:
    """Lay rows out under the columns that fit; the first line is their titles."""
    cells = [[ink.line((column.title, ink.QUIET)) for column in columns], *rows]
    widths = [max(cell.cell_len for cell in column) for column in zip(*cells, strict=True)]
    shown = list(range(len(columns)))
    if width is not None:
        for place in sorted(range(1, len(columns)), key=lambda place: -columns[place].rank):
            name = ROOMY_NAME if columns[place].rank >= DISPENSABLE else LEAST_NAME
            if min(widths[0], name) + sum(widths[n] + 2 for n in shown[1:]) <= width:
                break
            shown.remove(place)
        room = max(width - sum(widths[n] + 2 for n in shown[1:]), 1)
        cells = [[ink.cut(row[0], room), *row[1:]] for row in cells]
    right = [place for place, n in enumerate(shown) if columns[n].right and place]
    return [ink.cut(one, width) for one in ink.aligned([[row[n] for n in shown] for row in cells], right)]


def stacked(sections: Sequence[Section], height: int | None) -> list[Text]:
    """Put sections below each other; where they are too high, the long ones give way to the short ones."""
    if height is None:
        return [one for section in sections for one in [*section.lines(section.height), Text()]][:-1]
    if height - sum(section.height for section in sections) >= len(sections) - 1:
        return stacked(sections, None)
    kept = list(sections)
    while len(kept) > 1 and sum(section.least for section in kept) > height:
        kept.remove(max(kept, key=lambda section: section.rank))
    allowed = [section.least for section in kept]
    for _ in range(height - sum(allowed)):
        short = [place for place, section in enumerate(kept) if allowed[place] < section.height]
        if short:
            allowed[min(short, key=allowed.__getitem__)] += 1
    return [one for section, lines in zip(kept, allowed, strict=True) for one in section.lines(lines)][:height]


def sparks(values: Sequence[float | None], width: int) -> str:
    """Draw the last numbers as bars of eight heights; what is not known is a gap."""
    last = values[-width:] if width > 0 else []
    top = max((value for value in last if value is not None), default=0.0)
    return "".join(" " if value is None else SPARKS[_height(value, top)] for value in last)


def _height(value: float, top: float) -> int:
    # what is little is not nothing
    return 0 if value <= 0 or top <= 0 else max(1, round(value / top * (len(SPARKS) - 1)))
