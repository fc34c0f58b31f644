"""How long a worker is worth keeping that cannot claim or store: what ails it, and when it gives up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import anyio

from pgflow.errors import DatabaseUnavailableError, PgflowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.worker.floor import Floor
    from pgflow.worker.pulse import Pulse

LOOK_SECONDS: Final = 1.0
LOOKS: Final = 20


class Patience:
    """Gives a worker up that has been ailing for `timeout` seconds, 0 for never.

    Only the time in which this loop ran itself is counted: what was stopped and goes on gets its chance.
    """

    def __init__(self, pulse: Pulse, floor: Floor, timeout: float, give_up: Callable[[BaseException], None]) -> None:
        self._pulse = pulse
        self._floor = floor
        self._timeout = timeout
        self._give_up = give_up
        # for so long it may be that there was no need, or no time
        self._spared = min(pulse.stale_seconds, timeout / 2)

    async def watch_for_ever(self) -> None:
        """Look now and then, and give up when it is time."""
        if not self._timeout:
            return
        ailing = 0.0
        tick = min(LOOK_SECONDS, self._timeout / LOOKS)
        last = time.monotonic()
        while True:
            await anyio.sleep(tick)
            now = time.monotonic()
            error = self.ails(self._spared)
            ailing = ailing + min(now - last, 2 * tick) if error is not None else 0.0
            last = now
            if error is not None and ailing + self._spared >= self._timeout:
                self._give_up(error)
                return

    def ails(self, spared: float) -> PgflowError | None:
        """Say what has not been possible for more than `spared` seconds."""
        pulse = self._pulse
        if (age := pulse.claim_age()) > spared:
            return DatabaseUnavailableError(f"could not claim jobs for {age:.0f} s{_why(pulse.claim_error)}")
        if (age := pulse.store_age()) > spared:
            return DatabaseUnavailableError(f"could not store outcomes for {age:.0f} s{_why(pulse.store_error)}")
        if stuck := self._floor.stuck():
            return PgflowError(
                f"every {stuck} slot is held by a run that was given up and does not end: "
                "give what it waits for a time limit, or use executor='process'"
            )
        return None


def _why(error: str) -> str:
    return f" ({error})" if error else ": the database does not answer"
