"""A job's life in a terminal: a bar to scale, and below it each step with its length."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.cli import ink
from pgflow.model import FINAL_STATES
from pgflow.telling.life import WIDTH, scaled, stretches
from pgflow.telling.words import ago, span

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.text import Text

    from pgflow.telling.life import Scale, Stretch
    from pgflow.views import TimelineEvent

WAITS: Final = "░"
RUNS: Final = "█"
FAILS: Final = "▓"
GLYPHS: Final = {
    "running": RUNS, "succeeded": RUNS, "failed": FAILS, "lost": FAILS, "dead": "✗", "cancelled": "■", "expired": "■",
    "snoozed": "▒", "released": "▒",
}  # fmt: skip
MARK: Final = "✓"
WIDEST: Final = 100
ROOM_FOR_TICKS: Final = 56
FIRST_STEPS: Final = 4
LAST_STEPS: Final = 12


def life(events: Sequence[TimelineEvent], width: int | None) -> Iterator[Text]:
    """Give the bar and the steps; of very many steps the first and the last."""
    told = stretches(events)
    scale = scaled(told)
    yield ink.heading("life", span(scale.seconds) if scale else "")
    if scale:
        room = max(min((width or WIDEST) - 2, WIDEST), 2)
        yield _bar(scale, room)
        yield _ticks(scale, room)
    rows = [_step(one, is_last=one is told[-1]) for one in told]
    for place, row in enumerate(ink.aligned(rows, right=(2,))):
        if FIRST_STEPS <= place < len(rows) - LAST_STEPS:
            if place == FIRST_STEPS:
                yield ink.line((f"    … {len(rows) - FIRST_STEPS - LAST_STEPS} more steps", ink.QUIET))
            continue
        yield from ink.wrapped(row, width, "  ", "    ")


def _bar(scale: Scale, room: int) -> Text:
    cells = [(" ", "")] * room
    has_end = any(bar.stretch.state in FINAL_STATES for bar in scale.bars)
    # runs are drawn over waits: a wait of an hour hides no run of a second
    for bar in sorted(scale.bars, key=lambda bar: (_rank(bar.stretch), -bar.width)):
        # the last cell is the end's, where there is one
        room_here = room - (has_end and bar.stretch.state not in FINAL_STATES)
        begin = min(int(bar.x / WIDTH * room), room_here - 1)
        beyond = min(max(round((bar.x + bar.width) / WIDTH * room), begin + 1), room_here)
        cell = (glyph(bar.stretch), ink.style_of(_name(bar.stretch)))
        cells[begin:beyond] = [cell] * (beyond - begin)
    return ink.line("  ", *cells)


def _rank(one: Stretch) -> int:
    return 2 if one.state in FINAL_STATES else int(one.state == "running")


def _ticks(scale: Scale, room: int) -> Text:
    if room < ROOM_FOR_TICKS:
        last = f"+{span(scale.seconds)}"
        return ink.line((f"  0{last:>{room - 1}}", ink.QUIET))
    shown = [" "] * room
    for place, seconds in enumerate(scale.ticks):
        label = f"+{span(seconds)}" if place else "0"
        begin = round((room - 1) * place / (len(scale.ticks) - 1))
        begin = min(begin, room - len(label))
        shown[begin : begin + len(label)] = label
    return ink.line(("  " + "".join(shown), ink.QUIET))


def _step(one: Stretch, *, is_last: bool) -> list[Text]:
    name = _name(one)
    if one.seconds is not None:
        length = span(one.seconds)
    else:
        length = ago(one.since) if one.state in FINAL_STATES else f"for {ago(one.since).removesuffix(' ago')}"
    who = f"run {one.attempt}" if one.attempt else ""
    if one.who and (one.attempt or is_last):
        who += f"{' on' if one.attempt else 'by'} {ink.safe(one.who)}"
    glyph_there = ink.line((glyph(one), ink.style_of(name)))
    return [glyph_there, ink.line((name, ink.style_of(name))), ink.line(length), ink.line((who, ink.QUIET))]


def _name(one: Stretch) -> str:
    return one.how or one.state


def glyph(one: Stretch) -> str:
    """Give the character that a stretch is drawn with: a run is told from a wait without colour."""
    if one.state == "succeeded":
        return MARK
    return GLYPHS.get(_name(one), WAITS)
