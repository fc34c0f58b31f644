"""A worker's signs of life: when each part last did what it is there for, noted by who did it, read by any thread."""

from __future__ import annotations

import time
from typing import Final

STALE_SECONDS: Final = 10.0
STALE_POLLS: Final = 5
TROUBLE_SECONDS: Final = 60.0


class Pulse:
    """Times are those of `time.monotonic()`; one field is written by one thread at a time.

    A claimer that has no room, or whose queues rest, need not ask the database: its rounds then count as far as the
    heartbeat is answered.
    """

    def __init__(self, poll_seconds: float) -> None:
        now = time.monotonic()
        self.stale_seconds = max(STALE_SECONDS, STALE_POLLS * poll_seconds)
        self.claimed_at = now
        self.round_at = now
        self.beat_at = now
        self.storing_since: float | None = None
        self.claim_error = ""
        self.store_error = ""
        self.is_withheld = False
        self.loop_seconds = 0.0
        self.troubles: dict[str, tuple[float, str]] = {}

    def claimed(self) -> None:
        """Note that the database answered a question for work."""
        self.claimed_at = time.monotonic()
        self.claim_error = ""

    def went_round(self) -> None:
        """Note that the claimer is alive, whether or not it had to ask."""
        self.round_at = time.monotonic()

    def beaten(self) -> None:
        """Note that a heartbeat was stored."""
        self.beat_at = time.monotonic()

    def failed(self, what: str, error: BaseException) -> None:
        """Note that a round of upkeep failed; it began to at the first failure since it last went well."""
        since, _ = self.troubles.get(what, (time.monotonic(), ""))
        self.troubles[what] = since, f"{type(error).__name__}: {error}"

    def went_well(self, what: str) -> None:
        """Note that a round of upkeep went well."""
        self.troubles.pop(what, None)

    def claim_age(self) -> float:
        """Seconds since the last claim or poll that succeeded, or that was known not to be needed."""
        return time.monotonic() - max(self.claimed_at, min(self.round_at, self.beat_at))

    def store_age(self) -> float:
        """For how many seconds the outcomes of ended runs have been waiting for the database."""
        since = self.storing_since
        return 0.0 if since is None else time.monotonic() - since

    def lasting_troubles(self) -> list[str]:
        """The upkeep that has been failing for a minute, each with its last error."""
        now = time.monotonic()
        return [
            f"{what} has been failing for {now - since:.0f} s: {error}"
            for what, (since, error) in list(self.troubles.items())
            if now - since > TROUBLE_SECONDS
        ]
