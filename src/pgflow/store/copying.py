"""Jobs and their entries in COPY's binary format, made a block at a time while the server stores the one before."""

from __future__ import annotations

import json
from datetime import timedelta
from itertools import chain, groupby, repeat
from operator import attrgetter
from struct import Struct
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from pgflow.model import EARLIEST
from pgflow.store.arrays import raw_uuids

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from pgflow.model import NewJob

EPOCH: Final = EARLIEST
"""From where PostgreSQL counts a time, in microseconds."""
MICROSECOND: Final = timedelta(microseconds=1)
OFF_MICROSECONDS: Final = 60_000_000
"""By how much an id's time may differ from the database's; one that differs by more is stamped anew."""
ROWS_A_BLOCK: Final = 500
SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"

_int16: Final = Struct("!h").pack
_int32: Final = Struct("!i").pack
_int64: Final = Struct("!q").pack
_float64: Final = Struct("!d").pack
_mould: Final = attrgetter("mould")
_ROW_HEAD: Final = _int16(16) + _int32(16)


class Copied:
    """What jobs are copied as, by one reading of the database's clock: their ids, their rows and their entries.

    `now` is in microseconds since `EPOCH`. An id more than 60 s off it is stamped anew.
    """

    def __init__(self, jobs: Sequence[NewJob], now: int) -> None:
        self.ids, raw = _stamped([job.id for job in jobs], now)
        self._runs: list[_Run] = []
        first = 0
        for _, same in groupby(jobs, _mould):
            run = list(same)
            self._runs.append(_Run(run, raw[first : first + len(run)], _like(run[0], now)))
            first += len(run)

    def queues(self) -> list[str]:
        """The queues in which something is to be done now."""
        return list(dict.fromkeys(run.jobs[0].queue for run in self._runs if run.like.is_due))

    def rows(self) -> Iterator[bytes]:
        """What bulk/jobs.sql takes."""
        yield SIGNATURE
        for jobs, raw, like in self._runs:
            for first in range(0, len(jobs), ROWS_A_BLOCK):
                beyond = first + ROWS_A_BLOCK
                yield _rows(jobs[first:beyond], raw[first:beyond], like)
        yield TRAILER

    def has_entries(self, *, due: bool) -> bool:
        """Say whether there are entries for now, or for a time to come."""
        return any(run.like.is_due is due for run in self._runs)

    def entries(self, *, due: bool) -> Iterator[bytes]:
        """What bulk/ready.sql takes of what is due now, and bulk/scheduled.sql of the rest."""
        yield SIGNATURE
        for _, raw, like in self._runs:
            if like.is_due is due:
                yield like.entry_head + (like.entry_tail + like.entry_head).join(raw) + like.entry_tail
        yield TRAILER


class _Like(NamedTuple):
    # what is the same for all jobs of one mould: the end of a row, and what stands around the id in an entry
    row_tail: bytes
    entry_head: bytes
    entry_tail: bytes
    is_due: bool


class _Run(NamedTuple):
    jobs: list[NewJob]
    raw: list[bytes]
    like: _Like


def _like(job: NewJob, now: int) -> _Like:
    run_at = max(now, _later(now, job.run_at, job.delay) or now)
    tail = (
        _field(_int64(now)), _field(_int64(run_at)), _moment(_later(now, job.expires_at, job.expires_in)),
        NULL if job.timeout is None else _field(_float64(job.timeout)),
        _field(_int32(job.priority)), _field(_int32(job.max_attempts)), _flag(job.keep_result),
        _text(job.queue), _text(job.task), _text(json.dumps(job.headers, ensure_ascii=False) if job.headers else None),
        _id(job.parent_id), _id(job.root_id), _id(job.replay_of),
    )  # fmt: skip
    head = (_int16(8), _text(job.queue), _field(_int32(-job.priority)), _field(_int64(run_at)), _int32(16))
    first_run = (_field(_int32(1)), _field(_int32(0)), _flag(False), _flag(job.max_attempts == 1))
    return _Like(b"".join(tail), b"".join(head), b"".join(first_run), run_at <= now)


def _rows(jobs: Sequence[NewJob], raw: Sequence[bytes], like: _Like) -> bytes:
    # by columns, without a step of Python for each row
    args, kwargs = _column([job.args for job in jobs]), _column([job.kwargs for job in jobs])
    pieces = zip(repeat(_ROW_HEAD), raw, *args, *kwargs, repeat(like.row_tail), strict=False)
    return b"".join(chain.from_iterable(pieces))


def _column(texts: Sequence[str | None]) -> tuple[Iterable[bytes], Iterable[bytes]]:
    # the length of each text, and its bytes
    if not any(texts):
        return repeat(NULL), repeat(b"")
    data = [text.encode() if text else b"" for text in texts]
    sizes = map(_int32, map(len, data))
    if None in texts:
        return [NULL if text is None else size for text, size in zip(texts, sizes, strict=True)], data
    return sizes, data


def _stamped(ids: Sequence[str], now: int) -> tuple[list[str], list[bytes]]:
    raw = [UUID(job_id).bytes for job_id in ids] if {*map(len, ids)} != {36} else _bytes(ids)
    least, most = _floor(now - OFF_MICROSECONDS), _floor(now + OFF_MICROSECONDS)
    if least <= min(raw) and max(raw) <= most:
        return list(ids), raw
    raw = [one if least <= one <= most else _time(now) + one[6:] for one in raw]
    return [str(UUID(bytes=one)) for one in raw], raw


def _bytes(ids: Sequence[str]) -> list[bytes]:
    whole = raw_uuids(ids)
    return [whole[place : place + 16] for place in range(0, len(whole), 16)]


def _time(moment: int) -> bytes:
    return ((moment + _EPOCH_UNIX) // 1000).to_bytes(6, "big")


_EPOCH_UNIX: Final = int(EPOCH.timestamp()) * 1_000_000


def _floor(moment: int) -> bytes:
    return _time(moment) + bytes(10)


def _later(now: int, at: datetime | None, seconds: float | None) -> int | None:
    if at is not None:
        return (at - EPOCH) // MICROSECOND
    return None if seconds is None else now + round(seconds * 1e6)


def _field(data: bytes) -> bytes:
    return _int32(len(data)) + data


def _text(text: str | None) -> bytes:
    if text is None:
        return NULL
    data = text.encode()
    return _int32(len(data)) + data


def _moment(moment: int | None) -> bytes:
    return NULL if moment is None else _field(_int64(moment))


def _flag(value: bool) -> bytes:  # noqa: FBT001 - the value it writes
    return b"\0\0\0\1\1" if value else b"\0\0\0\1\0"


def _id(value: str | None) -> bytes:
    return NULL if value is None else _field(UUID(value).bytes)
