"""What is due of a schedule: which slots become jobs, which were missed, and when the next one is. No I/O."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from typing import TYPE_CHECKING, Final

from pgflow.plugins.cron.timing import timing

if TYPE_CHECKING:
    from datetime import datetime

    from pgflow.plugins.cron.rows import ScheduleRow

FIRED_AT_ONCE: Final = 100
LOOKED_AT_SLOTS: Final = 2_000
"""In one transaction; a minutely schedule that slept for a year takes 263 of them, of 30 ms."""
HASH_BITS: Final = 64
JUST_BEFORE: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Plan:
    """Slots to fire, how many are not fired and why, and the first slot that is left; None where none will come."""

    fire: tuple[datetime, ...]
    missed: int
    coalesced: int
    next_at: datetime | None


def plan(row: ScheduleRow, now: datetime) -> Plan:
    """Plan the slots from the schedule's next one until now, or the first some of them.

    What is older than the grace is missed. Of the others, a schedule that coalesces fires the last.
    Raises `ArgumentError` for a time zone this machine does not know.
    """
    if row.next_at is None:
        return Plan((), 0, 0, None)
    when, late = timing(row.cron, row.seconds, row.tz, row.anchor_at), now - timedelta(seconds=row.misfire_grace)
    missed = when.steps(row.next_at, late)
    first = next(when.after(late - JUST_BEFORE)) if missed else row.next_at
    recent: list[datetime] = []
    following: datetime | None = None
    most = LOOKED_AT_SLOTS if row.coalesce else FIRED_AT_ONCE
    slots = chain((first,), when.after(first))
    for slot in islice(slots, LOOKED_AT_SLOTS):
        if slot > now or len(recent) == most:
            following = slot
            break
        if slot < late:
            missed += 1
        else:
            recent.append(slot)
    else:
        following = next(slots, None)
    if not row.coalesce:
        return Plan(tuple(recent), missed, 0, following)
    # where more is due than was looked at, the last of all is yet to come
    fire = recent[-1:] if following is None or following > now else []
    return Plan(tuple(fire), missed, len(recent) - len(fire), following)


def upcoming(row: ScheduleRow, now: datetime, count: int = 5) -> list[datetime]:
    """Give the next slots; of a paused schedule, those it would have."""
    when = timing(row.cron, row.seconds, row.tz, row.anchor_at)
    if row.paused or row.next_at is None or row.next_at <= now:
        return list(islice(when.after(now), count))
    return list(islice(chain((row.next_at,), when.after(row.next_at)), count))


def slot_key(name: str, slot: datetime) -> str:
    """Name a slot for good: two workers, or two lives of a schedule, name it alike."""
    return f"{name}@{slot.isoformat()}"


def put_off(name: str, slot: datetime, jitter: float) -> datetime:
    """Put a slot's job off by up to `jitter` seconds, the same for whoever computes it."""
    digest = hashlib.blake2b(slot_key(name, slot).encode(), digest_size=HASH_BITS // 8).digest()
    return slot + timedelta(seconds=jitter * int.from_bytes(digest) / 2**HASH_BITS)
