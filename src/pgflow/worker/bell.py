"""A bell wakes one sleeper, from the event loop or from any thread, on asyncio and on trio."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

DEAF: Final = (RuntimeError, OSError)
"""What a loop answers a thread once it is closed, and trio's once a job has closed the files of its process."""


class Bell:
    """Rung while nobody sleeps, it wakes the next one at once: no ring is lost."""

    def __init__(self) -> None:
        self._event = anyio.Event()
        self._rung = False
        self._on_its_way = False
        self._call_soon = thread_door()

    def ring(self) -> None:
        """Wake the sleeper. Cheap to call again; only from the event loop."""
        self._on_its_way = False
        if not self._rung:
            self._rung = True
            self._event.set()

    def ring_from_thread(self) -> None:
        """Wake the sleeper from another thread. Does nothing once the loop is deaf."""
        if not (self._rung or self._on_its_way):
            self._on_its_way = True
            with contextlib.suppress(*DEAF):
                self._call_soon(self.ring)

    async def wait(self, seconds: float | None = None) -> bool:
        """Sleep until rung, at most `seconds`; True where it was rung."""
        if not self._rung:
            with anyio.move_on_after(seconds):
                await self._event.wait()
        rung = self._rung
        if rung:
            self._event = anyio.Event()
            self._rung = False
        return rung


def on_trio() -> bool:
    """True where the running event loop is trio's."""
    return not issubclass(anyio.get_cancelled_exc_class(), asyncio.CancelledError)


def thread_door() -> Callable[[Callable[[], None]], object]:
    """Give what has the running event loop call a function soon, from any thread; one of `DEAF` where it cannot."""
    if on_trio():
        from trio.lowlevel import current_trio_token  # noqa: PLC0415 - 5 MB that a worker on asyncio has no need of

        return current_trio_token().run_sync_soon
    return asyncio.get_running_loop().call_soon_threadsafe
