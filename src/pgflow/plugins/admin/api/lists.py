"""Pages of lists, the cursors between them, and what is read at most once a second for all who ask."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from pgflow.plugins.admin.paging import Cursors

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pgflow.admin import Call

T = TypeVar("T")

CACHED_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class Listed(Generic[T]):
    """Some of a list, newest first; `next_cursor` leads to the rest, null at the end.

    `scanned_to` is set where the search stopped at its bound before the page was full: it is where to go on from.
    """

    items: list[T]
    next_cursor: str | None
    scanned_to: str | None = None


@dataclass(frozen=True, slots=True)
class All(Generic[T]):
    """A whole list."""

    items: list[T]


class Cached(Generic[T]):
    """What is read of an app by one thread at most once a second, for all who ask meanwhile."""

    def __init__(self, read: Callable[[Any], T]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._kept: WeakKeyDictionary[Any, tuple[float, T]] = WeakKeyDictionary()

    def of(self, app: Any, seconds: float | None = None) -> T:
        """Give what was read within the last second, or so many, or read it. Raises what reading raises."""
        with self._lock:
            kept = self._kept.get(app)
            if kept is not None and time.monotonic() - kept[0] < (CACHED_SECONDS if seconds is None else seconds):
                return kept[1]
            value = self._read(app)
            self._kept[app] = time.monotonic(), value
            return value

    def forget(self, app: Any) -> None:
        """Read it anew the next time: it has just been changed."""
        with self._lock:
            self._kept.pop(app, None)

    def last(self, app: Any) -> T | None:
        """Give what was read last, however long ago; None where nothing was."""
        kept = self._kept.get(app)
        return None if kept is None else kept[1]


def opened(call: Call, kind: str, filters: Mapping[str, Any]) -> Any:
    """Give what the cursor of a request was sealed with, None where it has none. Raises `Problem`, 400."""
    return Cursors.of(call.app).open(kind, filters, call.query.cursor) if call.query.cursor else None


def sealed(call: Call, kind: str, filters: Mapping[str, Any], place: Any) -> str | None:
    """Seal where a list goes on; None where it does not."""
    return None if place is None else Cursors.of(call.app).seal(kind, filters, place)
