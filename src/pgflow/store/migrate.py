"""Applies migrations/: numbered SQL files, forward only, each in a transaction, recorded with a checksum."""

from __future__ import annotations

import hashlib
import random
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from psycopg import errors as pg

from pgflow.errors import DatabaseUnavailableError, SchemaMismatchError
from pgflow.store.sending import execute, send, setting, transaction
from pgflow.store.statement import Query, Statement, all_rows, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import psycopg

    from pgflow.hooks import Migrations
    from pgflow.store.pool import Pool

FILE_NAME: Final = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")
LOCK_KEY: Final = 0x7067666C6F77  # "pgflow"
# whoever needs a table for which a migration waits has to wait behind it
LOCK_WAIT: Final = {"lock_timeout": "1s"}
PATIENCE_SECONDS: Final = 60.0
OLDEST_SERVER: Final = 140_000
BOOKKEEPING: Final = """
create schema if not exists pgflow;
create table if not exists pgflow.migrations (
  version integer primary key, name text not null, checksum text not null,
  applied_at timestamptz not null default clock_timestamp());
"""
LOCK: Final = Query("migrate/lock", "select pg_advisory_xact_lock(%(key)s)")
OWN: Final = Query("migrate/own", "select version, name, checksum from pgflow.migrations order by version")
OF_PLUGINS: Final = Query("migrate/of_plugins", "select plugin, version, checksum from pgflow.plugin_migrations")
NOTE: Final = Query(
    "migrate/note",
    "insert into pgflow.migrations (version, name, checksum) values (%(version)s, %(name)s, %(checksum)s)",
)
NOTE_OF_PLUGIN: Final = Query(
    "migrate/note_of_plugin",
    """
insert into pgflow.plugin_migrations (plugin, version, name, checksum)
values (%(plugin)s, %(version)s, %(name)s, %(checksum)s)
""",
)


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of migrations/."""

    version: int
    name: str
    sql: str
    plugin: str | None = None

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hexadecimal."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @property
    def label(self) -> str:
        """How people call it."""
        own = f"{self.version:04d}_{self.name}"
        return f"{self.plugin}/{own}" if self.plugin else own


@cache
def available() -> tuple[Migration, ...]:
    """The migrations this code knows, in order; from the wheel or, in a checkout, the top folder."""
    here = Path(__file__).resolve()
    folders = (here.parents[1] / "migrations", here.parents[3] / "migrations")
    folder = next((f for f in folders if f.is_dir()), None)
    if folder is None:
        msg = f"no migrations beside {here.parents[1]}: install pgflow again"
        raise SchemaMismatchError(msg)
    return _read(folder, None)


def of_plugins(folders: Iterable[tuple[str, Migrations]]) -> tuple[Migration, ...]:
    """The migrations of plugins, each one's in order. Raises `SchemaMismatchError` for a folder without any."""
    return tuple(migration for plugin, given in folders for migration in _read(given.folder, plugin))


def migrate(
    pool: Pool, plugins: Sequence[Migration] = (), tell: Callable[[Migration], None] = lambda _: None
) -> list[Migration]:
    """Apply what is missing, pgflow's own first, one transaction each, under an advisory lock; gives what was applied.

    One that gets no lock within a second lets others pass and is tried again, for a minute. Raises
    `DatabaseUnavailableError` after that, `SchemaMismatchError` where the database knows more than this code, or a
    file was changed after it was applied.
    """
    applied: list[Migration] = []
    if not pending(pool, plugins):  # asked first, since it needs no more than the right to read
        return applied
    try:
        with pool.patient() as conn:
            while (migration := _apply_in_time(conn, plugins)) is not None:
                tell(migration)
                applied.append(migration)
    except pg.InsufficientPrivilege as error:
        refused = f"this role may not migrate ({error.diag.message_primary})"
        msg = f"{refused}: run it as the owner of pgflow's schema, or grant create on the database"
        raise SchemaMismatchError(msg) from error
    return applied


def check(pool: Pool, plugins: Sequence[Migration] = ()) -> None:
    """Refuse a schema older or newer than this code. Raises `SchemaMismatchError` saying which."""
    missing = pending(pool, plugins)
    if missing:
        names = ", ".join(m.label for m in missing)
        msg = f"the database's schema is older than this pgflow: {names} not applied; run `pgflow migrate`"
        raise SchemaMismatchError(msg)


def pending(pool: Pool, plugins: Sequence[Migration] = ()) -> list[Migration]:
    """The migrations not yet applied. Raises `SchemaMismatchError` where the schema is newer or differs."""
    with pool.connection() as conn:
        _require_server(conn)
        own = _missing(_applied(conn, OWN))
        return [*own, *(_missing_of_plugins(_applied(conn, OF_PLUGINS), plugins) if plugins else ())]


def _applied(conn: psycopg.Connection[tuple[Any, ...]], query: Query) -> list[tuple[Any, ...]]:
    try:
        return send(conn, query, prepare=False)
    except (pg.UndefinedTable, pg.InvalidSchemaName):
        return []


def _apply_in_time(conn: psycopg.Connection[tuple[Any, ...]], plugins: Sequence[Migration]) -> Migration | None:
    end = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _apply_next(conn, plugins)
        except (pg.LockNotAvailable, pg.DeadlockDetected) as error:
            if time.monotonic() > end:
                held = f"no lock within {PATIENCE_SECONDS:g} s ({error.diag.message_primary}), nothing is changed by it"
                msg = f"{held}: end the long transactions that `pgflow doctor` names, and run `pgflow migrate` again"
                raise DatabaseUnavailableError(msg) from error
            time.sleep(random.uniform(0.5, 1.0))  # noqa: S311 - a pause, keeps no secret


def _apply_next(conn: psycopg.Connection[tuple[Any, ...]], plugins: Sequence[Migration]) -> Migration | None:
    with transaction(conn) as opened:
        opened.run(Statement(LOCK, {"key": LOCK_KEY}, nothing))
        execute(conn, "migrate/bookkeeping", BOOKKEEPING)
        own = _missing(opened.run(Statement(OWN, {}, all_rows)))
        missing = own or (plugins and _missing_of_plugins(opened.run(Statement(OF_PLUGINS, {}, all_rows)), plugins))
        if not missing:
            return None
        first = missing[0]
        opened.run(setting(LOCK_WAIT))
        execute(conn, "migrate/apply", first.sql.encode())
        opened.run(Statement(NOTE_OF_PLUGIN if first.plugin else NOTE, _note_of(first), nothing))
    return first


def _note_of(migration: Migration) -> dict[str, object]:
    return {
        "plugin": migration.plugin, "version": migration.version, "name": migration.name,
        "checksum": migration.checksum,
    }  # fmt: skip


def _read(folder: Path, plugin: str | None) -> tuple[Migration, ...]:
    found = [(m, path) for path in folder.iterdir() if (m := FILE_NAME.fullmatch(path.name))] if folder.is_dir() else []
    if not found:
        msg = f"no migrations such as 0001_name.sql in {folder}" + (f", which plugin {plugin} names" if plugin else "")
        raise SchemaMismatchError(msg)
    made = (Migration(int(m[1]), m[2], path.read_text("utf-8"), plugin) for m, path in found)
    return tuple(sorted(made, key=lambda m: m.version))


def _missing_of_plugins(rows: list[tuple[Any, ...]], plugins: Sequence[Migration]) -> list[Migration]:
    # what a plugin that is not here has applied is its own affair
    checksums = {(plugin, version): checksum for plugin, version, checksum in rows}
    for migration in plugins:
        if checksums.get((str(migration.plugin), migration.version), migration.checksum) != migration.checksum:
            other = f"migration {migration.label} was applied from another text than this plugin ships"
            msg = f"{other}: install the release that made the database"
            raise SchemaMismatchError(msg)
    return [m for m in plugins if (str(m.plugin), m.version) not in checksums]


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
