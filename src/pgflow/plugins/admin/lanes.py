"""Threads for what waits: each kind of work has its own, so that a slow database never keeps `/health/live` waiting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

WORK: Final = "work"
GATE: Final = "gate"
THREADS: Final = {WORK: 16}
FEW_THREADS: Final = 4


class Lanes:
    """Limits how many threads each lane uses at once, for each event loop the app is run by."""

    def __init__(self) -> None:
        self._limiters: RunVar[dict[str, anyio.CapacityLimiter]] = RunVar("pgflow-admin-lanes")

    async def run(self, lane: str, call: Callable[[], T]) -> T:
        """Call something in a thread; it is carried through where the client goes away meanwhile."""
        with anyio.CancelScope(shield=True):
            answer = await anyio.to_thread.run_sync(call, limiter=self._limiter(lane))
        return answer  # noqa: RET504  # pyright: ignore[reportReturnType] - it always comes

    def _limiter(self, lane: str) -> anyio.CapacityLimiter:
        limiters = self._limiters.get({})
        if lane not in limiters:
            limiters[lane] = anyio.CapacityLimiter(THREADS.get(lane, FEW_THREADS))
            self._limiters.set(limiters)
        return limiters[lane]
