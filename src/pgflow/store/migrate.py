"""Applies migrations/: numbered SQL files, forward only, each in a transaction, recorded with a checksum."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psycopg import errors as pg

from pgflow.errors import SchemaMismatchError

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg

    from pgflow.store.pool import Pool

FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
LOCK_KEY: Final = 0x7067666C6F77  # "pgflow"
OLDEST_SERVER: Final = 140_000
BOOKKEEPING: Final = """
create schema if not exists pgflow;
create table if not exists pgflow.migrations (
  version integer primary key, name text not null, checksum text not null,
  applied_at timestamptz not null default clock_timestamp());
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of migrations/."""

    version: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@cache
def available() -> tuple[Migration, ...]:
    """The migrations this code knows, in order; from the wheel or, in a checkout, the top folder."""
    here = Path(__file__).resolve()
    folders = (here.parents[1] / "migrations", here.parents[3] / "migrations")
    folder = next((f for f in folders if f.is_dir()), None)
    if folder is None:
        msg = f"no migrations beside {here.parents[1]}: install pgflow again"
        raise SchemaMismatchError(msg)
    found = [(m, path) for path in folder.iterdir() if (m := FILE_NAME.fullmatch(path.name))]
    return tuple(
        sorted((Migration(int(m[1]), m[2], path.read_text("utf-8")) for m, path in found), key=lambda m: m.version)
    )


def migrate(pool: Pool, tell: Callable[[Migration], None] = lambda _: None) -> list[Migration]:
    """Apply what is missing, one transaction each, under an advisory lock; gives what was applied.

    Raises `SchemaMismatchError` where the database knows more than this code, or a file was changed
    after it was applied.
    """
    applied: list[Migration] = []
    if not pending(pool):  # asked first, since it needs no more than the right to read
        return applied
    try:
        with pool.connection() as conn:
            while (migration := _apply_next(conn)) is not None:
                tell(migration)
                applied.append(migration)
    except pg.InsufficientPrivilege as error:
        refused = f"this role may not migrate ({error.diag.message_primary})"
        msg = f"{refused}: run it as the owner of pgflow's schema, or grant create on the database"
        raise SchemaMismatchError(msg) from error
    return applied


def check(pool: Pool) -> None:
    """Refuse a schema older or newer than this code. Raises `SchemaMismatchError` saying which."""
    missing = pending(pool)
    if missing:
        names = ", ".join(f"{m.version:04d}_{m.name}" for m in missing)
        msg = f"the database's schema is older than this pgflow: {names} not applied; run `pgflow migrate`"
        raise SchemaMismatchError(msg)


def pending(pool: Pool) -> list[Migration]:
    """The migrations not yet applied. Raises `SchemaMismatchError` where the schema is newer or differs."""
    with pool.connection() as conn:
        _require_server(conn)
        try:
            rows = conn.execute("select version, name, checksum from pgflow.migrations order by version").fetchall()
        except (pg.UndefinedTable, pg.InvalidSchemaName):
            rows = []
    return _missing(rows)


def _apply_next(conn: psycopg.Connection[tuple[Any, ...]]) -> Migration | None:
    with conn.transaction():
        conn.execute("select pg_advisory_xact_lock(%s)", [LOCK_KEY])
        conn.execute(BOOKKEEPING)
        rows = conn.execute("select version, name, checksum from pgflow.migrations order by version").fetchall()
        missing = _missing(rows)
        if not missing:
            return None
        first = missing[0]
        conn.execute(first.sql.encode())
        conn.execute(
            "insert into pgflow.migrations (version, name, checksum) values (%s, %s, %s)",
            [first.version, first.name, first.checksum],
        )
    return first


def _missing(rows: list[tuple[Any, ...]]) -> list[Migration]:
    known = {m.version: m for m in available()}
    for version, name, checksum in rows:
        mine = known.get(version)
        if mine is None:
            msg = f"the database's schema is newer than this pgflow: it has {version:04d}_{name}; upgrade pgflow"
            raise SchemaMismatchError(msg)
        if mine.checksum != checksum:
            other = f"migration {version:04d}_{name} was applied from another text than this pgflow ships"
            msg = f"{other}: install the release that made the database"
            raise SchemaMismatchError(msg)
    applied = {row[0] for row in rows}
    return [m for m in available() if m.version not in applied]


def _require_server(conn: psycopg.Connection[tuple[Any, ...]]) -> None:
    if conn.info.server_version < OLDEST_SERVER:
        msg = f"PostgreSQL {conn.info.server_version // 10_000} is too old: pgflow needs 14 or later"
        raise SchemaMismatchError(msg)
