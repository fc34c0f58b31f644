"""Buckets of jobs and attempts: made ahead, listed, removed. Each step gives up rather than hold anyone up."""

from __future__ import annotations

import logging
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal

from psycopg import errors as pg

from pgflow.store.statement import Statement, load
from pgflow.views import Bucket

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.store.pool import Pool
    from pgflow.store.statement import Query, Rows

logger = logging.getLogger("pgflow")

Mode = Literal["hour", "day", "none"]

NAME: Final = re.compile(r"(\d{8})(?:_(\d{2}))?")
LENGTH: Final = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
AHEAD: Final = {"hour": 12, "day": 7, "none": -1}
LOCK_KEY: Final = 0x70676275636B  # "pgbuck"

CLOCK: Final = load("clock")
LISTING: Final = load("admin/buckets")
CREATE: Final = load("admin/create_bucket")
REMOVE: Final = load("admin/remove_bucket")
ARCHIVED: Final = load("admin/archived_buckets")
NEEDED: Final = load("admin/bucket_needed")
DROP_ARCHIVED: Final = load("admin/drop_archived")


def ensure(pool: Pool, mode: Mode, now: datetime | None = None) -> list[str]:
    """Make the buckets of this time and those ahead that are missing; gives the names of those made.

    Ahead are 7 days, or 12 hours; mode `none` makes nothing. The round ends at the first that would have
    to wait 100 ms for a lock, and passes by what another process is making: the next round makes them.
    """
    if mode == "none":
        return []
    moment = now or pool.run(Statement(CLOCK, {}, lambda rows: datetime.fromtimestamp(rows[0][0], UTC)))
    standing = {bucket.name for bucket in pool.run(listing())}
    # two lengths meet where the mode was changed: a bucket is skipped where another one stands over its time
    taken = [held for held in map(span, standing) if held]
    missing = [name for name in names_ahead(mode, moment) if not _overlaps(name, taken)]
    made = []
    for name in missing:
        try:
            made += [name] if _create(pool, name) else []
        except pg.LockNotAvailable:
            break  # all of them need the same lock, and each wait for it holds enqueues up
        except pg.InsufficientPrivilege:
            logger.warning(
                "this role does not own the tables of pgflow and cannot make bucket %s: jobs go to the default one; "
                "run `pgflow migrate` as the owner, or set PGFLOW_DATASET_BUCKET=none here",
                name,
            )
            break
    return made


def remove(pool: Pool, name: str, *, drop: bool = True) -> int | None:
    """Take a bucket out, and with `drop` throw it away; gives how many jobs were put back through the parent.

    Put back are jobs that have yet to end and open dead letters, with their attempts. Gives None, and
    changes nothing, where it would have to wait 100 ms for a lock, or where this role, which is told so, does not
    own the tables. Raises `ValueError` for no such bucket.
    """
    return _taken_out(pool, name, REMOVE, {"drop": drop})


def drop(pool: Pool, name: str) -> int | None:
    """Throw a bucket away, be it archived or in use; gives how many jobs were put back, and None, as `remove` does."""
    archived_already = name in pool.run(archived())
    return _taken_out(pool, name, DROP_ARCHIVED, {}) if archived_already else remove(pool, name)


def listing() -> Statement[list[Bucket]]:
    """List the buckets in use, oldest first, the default partition last."""
    return Statement(LISTING, {}, _read_buckets)


def archived() -> Statement[list[str]]:
    """Name the buckets that were archived and still stand as tables of their own, oldest first."""
    return Statement(ARCHIVED, {}, lambda rows: [name for (name,) in rows if span(name)])


def needed(name: str, most: int) -> Statement[int]:
    """Count the jobs that `remove` would put back, up to `most`; locks nothing. Raises `ValueError` for no bucket."""
    held = _held(name)
    params = {"first": floor_id(held[0]), "beyond": floor_id(held[1]), "most": most}
    return Statement(NEEDED, params, lambda rows: int(rows[0][0]))


def names_ahead(mode: Mode, now: datetime) -> list[str]:
    """Name the bucket of `now` and those ahead of it, in UTC."""
    return [name_of(mode, now + n * LENGTH[mode]) for n in range(AHEAD[mode] + 1)]


def name_of(mode: Mode, moment: datetime) -> str:
    """Name the bucket that holds a moment."""
    return moment.astimezone(UTC).strftime("%Y%m%d_%H" if mode == "hour" else "%Y%m%d")


def span(name: str) -> tuple[datetime, datetime] | None:
    """Say which time a bucket holds, from and until; None for what is not a bucket's name."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    try:
        start = datetime.strptime(f"{match[1]}{match[2] or '00'}+0000", "%Y%m%d%H%z")
    except ValueError:
        return None
    return start, start + LENGTH["hour" if match[2] else "day"]


def floor_id(moment: datetime) -> str:
    """Make the least version 7 id of a moment, as `pgflow.uuid_floor` has it."""
    digits = f"{max(0, round(moment.timestamp() * 1000)):012x}".ljust(32, "0")
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _create(pool: Pool, name: str) -> bool:
    held = span(name)
    if held is None:
        return False
    params = {"key": LOCK_KEY, "name": name, "starts_at": held[0], "ends_at": held[1]}
    with pool.transaction(patient=True) as opened:
        return opened.run(Statement(CREATE, params, lambda rows: bool(rows and rows[0][0])))


def _taken_out(pool: Pool, name: str, query: Query, wish: Mapping[str, bool]) -> int | None:
    _held(name)
    try:
        with pool.transaction(patient=True) as opened:
            return opened.run(Statement(query, {"name": name, **wish}, lambda rows: int(rows[0][0]) if rows else 0))
    except pg.LockNotAvailable:
        return None
    except pg.InsufficientPrivilege:
        logger.warning(
            "this role does not own the tables of pgflow and cannot remove bucket %s: run `pgflow prune` as the owner",
            name,
        )
        return None
    except pg.UndefinedTable:
        msg = f"no bucket {name} is in use: see `pgflow doctor` for those that are"
        raise ValueError(msg) from None


def _held(name: str) -> tuple[datetime, datetime]:
    held = span(name)
    if held is None:
        msg = f"{name!r} is not a bucket's name: use one such as 20261124 or 20261124_20"
        raise ValueError(msg)
    return held


def _overlaps(name: str, taken: list[tuple[datetime, datetime]]) -> bool:
    held = span(name)
    return held is not None and any(start < held[1] and held[0] < end for start, end in taken)


def _read_buckets(rows: Rows) -> list[Bucket]:
    found = []
    for name, jobs, size in rows:
        starts_at, ends_at = span(name) or (None, None)
        found.append(Bucket(name, starts_at, ends_at, jobs, size))
    return sorted(found, key=lambda bucket: (bucket.starts_at is None, bucket.name))
