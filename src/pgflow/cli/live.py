"""Shows a board on the whole of a terminal until a key ends it; it follows the terminal's size."""

from __future__ import annotations

import signal
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from pgflow.cli import ink
from pgflow.cli.board import board, outage
from pgflow.cli.keys import pressed
from pgflow.cli.seeing import Watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pgflow.cli.seeing import Looker

TICK_SECONDS: Final = 0.1
"""How soon a key, a new size or a new look is heeded."""
ENDING_SECONDS: Final = 5.0
KEYS: Final = ("q", "Q", "\x1b", "\x03")
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


def show(looker: Looker, interval: float, count: int | None) -> None:
    """Show what a looker sees until q, Escape or Ctrl-C, or so many looks. Raises what ended the looking."""
    watch = Watch(looker, interval, count)
    watch.start()
    try:
        with _asked_to_end() as asked:
            _follow(watch, interval, asked)
    finally:
        watch.end()
        watch.join(ENDING_SECONDS)
    if watch.error is not None:
        raise watch.error


def drawn(watch: Watch, interval: float, width: int, height: int) -> list[Text]:
    """Draw what stands, an outage above what was seen last."""
    room = height - 1
    top: list[Text] = []
    if watch.outage is not None:
        top = outage(watch.outage, time.monotonic(), width)
    if watch.seen is None:
        rest = [] if top else [ink.line(("looking …", ink.QUIET))]
    else:
        rest = board(watch.seen, width, max(room - len(top), 1))
        if top:
            rest = [ink.line((one.plain, ink.QUIET)) for one in rest]
    shown = [*top, *rest][:room]
    foot = ink.line((f"q ends   every {interval:g} s", ink.QUIET))
    return [*shown, *[Text()] * (room - len(shown)), ink.cut(foot, width)]


def _follow(watch: Watch, interval: float, asked: list[int]) -> None:
    console = Console(highlight=False)
    with pressed() as key, Live(console=console, screen=True, auto_refresh=False) as live:
        before: Any = None
        while not (watch.over or asked):
            # an outage's length grows by the second
            now = console.size, int(time.monotonic()) if watch.outage else 0
            if watch.changed.is_set() or now != before:
                watch.changed.clear()
                before = now
                lines = drawn(watch, interval, *console.size)
                live.update(Text("\n", no_wrap=True, overflow="crop").join(lines), refresh=True)
            if key(TICK_SECONDS) in KEYS:
                return


@contextmanager
def _asked_to_end() -> Iterator[list[int]]:
    """Give the signals that came; the terminal is put back whatever ends it."""
    asked: list[int] = []
    # noted, and not raised: an exception that comes wherever the interpreter is just then may be swallowed there
    before = {one: signal.signal(one, lambda number, _: asked.append(number)) for one in SIGNALS}
    try:
        yield asked
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
