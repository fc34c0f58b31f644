"""Job ids: UUID version 7 made by the client, rising within a process.

The layout is RFC 9562, section 5.7, with method 3 of section 6.2: the 12 bits behind the millisecond
hold the fraction of it, so ids made by one process sort in the order in which they were made.
"""

from __future__ import annotations

import os
import random
import threading
import time
from datetime import UTC, datetime
from uuid import UUID

from pgflow.errors import JobNotFoundError


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
        self._bits = random.Random(os.urandom(32)).getrandbits  # noqa: S311 - uniqueness, not secrecy

    def make(self) -> str:
        """Make one id."""
        return self.make_many(1)[0]

    def make_many(self, count: int) -> list[str]:
        """Make `count` ids in rising order."""
        ticks = self._take(count)
        bits = self._bits
        return [_format(tick, bits(62)) for tick in ticks]

    def _take(self, count: int) -> range:
        now = int((time.time() + self.offset_seconds) * 4_096_000)
        with self._lock:
            first = max(now, self._last + 1)
            self._last = first + count - 1
        return range(first, first + count)


def _format(tick: int, noise: int) -> str:
    # tick counts 1/4096 ms: its upper bits are the milliseconds, its lower 12 the fraction
    h = f"{tick >> 12:012x}{0x7000 | (tick & 0xFFF):04x}{0x8000000000000000 | noise:016x}"
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


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
