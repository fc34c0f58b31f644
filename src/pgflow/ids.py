"""Job ids: UUID version 7 made by the client, rising within a process.

The layout is RFC 9562, section 5.7, with method 3 of section 6.2: the 12 bits behind the millisecond
hold the fraction of it, so ids made by one process sort in the order in which they were made: save behind a clock
that was set back by more than `MOST_AHEAD_TICKS`, as ids of a time to come would land in the bucket of another day.
"""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from pgflow.errors import JobNotFoundError

TICKS_A_MS: Final = 4096
MOST_AHEAD_TICKS: Final = 10_000 * TICKS_A_MS
_FRACTIONS: Final = tuple(f"-7{fraction:03x}-" for fraction in range(TICKS_A_MS))
_VARIANT: Final = bytes(byte & 0x3F | 0x80 for byte in range(256))


class IdMaker:
    """Makes ids on the database's clock: this machine's plus the offset the store has learnt."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0
        self._last = 0
        self._lock = threading.Lock()
        self._reseed()
        os.register_at_fork(after_in_child=self._reseed)

    def _reseed(self) -> None:
        self._lock = threading.Lock()
        self._noise = random.Random(os.urandom(32)).randbytes  # noqa: S311 - uniqueness, not secrecy

    def make(self) -> str:
        """Make one id."""
        return self.make_many(1)[0]

    def make_many(self, count: int) -> list[str]:
        """Make `count` ids in rising order."""
        ticks = self._take(count)
        noise = bytearray(self._noise(8 * count))
        noise[::8] = noise[::8].translate(_VARIANT)
        return _written(ticks, noise.hex())

    def _take(self, count: int) -> range:
        now = int((time.time() + self.offset_seconds) * (1000 * TICKS_A_MS))
        with self._lock:
            follows = now <= self._last < now + MOST_AHEAD_TICKS
            first = self._last + 1 if follows else now
            self._last = first + count - 1
        return range(first, first + count)


def _written(ticks: range, noise: str) -> list[str]:
    # a tick is 1/4096 ms; what a millisecond's ids begin with is written once, which makes each a tenth as dear
    ids: list[str] = []
    tick, place = ticks.start, 0
    while tick < ticks.stop:
        millisecond, first = divmod(tick, TICKS_A_MS)
        time_digits = f"{millisecond:012x}"
        head = f"{time_digits[:8]}-{time_digits[8:]}"
        beyond = min(TICKS_A_MS, first + ticks.stop - tick)
        for fraction in _FRACTIONS[first:beyond]:
            ids.append(f"{head}{fraction}{noise[place : place + 4]}-{noise[place + 4 : place + 16]}")
            place += 16
        tick += beyond - first
    return ids


def parse_id(value: object) -> str:
    """Return the id in its canonical spelling. Raises `JobNotFoundError` where it cannot be one."""
    try:
        return str(value if isinstance(value, UUID) else UUID(str(value)))
    except ValueError:
        msg = f"{value!r} is not a job id: ids are UUIDs such as 019ab6d5-0c5e-7cc0-8a3f-3d2f6f1f9b10"
        raise JobNotFoundError(msg) from None


def id_time(job_id: str) -> datetime:
    """The time a version 7 id holds, to the millisecond."""
    return datetime.fromtimestamp((UUID(job_id).int >> 80) / 1000, UTC)
