"""Keys pressed while something is shown live, one at a time and without Enter; none where there is no terminal."""

from __future__ import annotations

import os
import select
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

try:
    import termios
    import tty
except ImportError:  # pragma: no cover - Windows has none; Ctrl-C ends it there
    termios = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@contextmanager
def pressed() -> Iterator[Callable[[float], str]]:
    """Give a function that waits so many seconds for a key, and gives it or nothing; the terminal is put back."""
    if termios is None or not sys.stdin.isatty():
        yield _no_key
        return
    place = sys.stdin.fileno()
    before = termios.tcgetattr(place)
    try:
        tty.setcbreak(place)
        yield lambda seconds: _key(place, seconds)
    finally:
        termios.tcsetattr(place, termios.TCSADRAIN, before)


def _key(place: int, seconds: float) -> str:
    if not select.select([place], [], [], seconds)[0]:
        return ""
    # several at once are an arrow or a paste: the first says enough
    return os.read(place, 64).decode("utf-8", "replace")[:1]


def _no_key(seconds: float) -> str:
    time.sleep(seconds)
    return ""
