"""Whole databases for tests and benchmarks: a migrated template for each schema, and clones of it that come and go."""

from __future__ import annotations

import hashlib
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg import errors as pg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgflow.errors import DatabaseUnavailableError, SettingsError
from pgflow.store.migrate import available, migrate
from pgflow.store.pool import Pool
from pgflow.store.sending import execute, send
from pgflow.store.statement import Query
from pgflow.store.wire import shown_dsn

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pgflow.store.migrate import Migration

EMPTY: Final = "template1"
FAMILY: Final = "pgflow_test"
KNOWS_STRATEGY: Final = 150_000
TEMPLATE_LOCK: Final = 0x7067_7465  # "pgte"
LOCK: Final = Query("databases/lock", "select pg_advisory_lock(%(key)s)")
KNOWN: Final = Query("databases/known", "select 1 from pg_database where datname = %(name)s")


def template(server: str, plugins: Sequence[Migration] = ()) -> str:
    """Give the name of a migrated database to clone, made by whoever comes first and kept for later test runs.

    Its name holds a digest of the migrations, so that another version makes another one. Raises as `clone` does.
    """
    digest = hashlib.sha256("".join(m.checksum for m in (*available(), *plugins)).encode()).hexdigest()
    name = f"pgflow_template_{digest[:16]}"
    with _connected(server) as conn:
        send(conn, LOCK, {"key": TEMPLATE_LOCK}, prepare=False)
        if not send(conn, KNOWN, {"name": name}, prepare=False):
            # under another name until it is whole: a run that is killed leaves no half-made template
            half_made = clone(server)
            try:
                _migrate(half_made, plugins)
                execute(conn, "databases/rename", _write("alter database {} rename to {}", name_in(half_made), name))
            except pg.DuplicateDatabase:
                # by a run on another database of this server: an advisory lock is one database's own
                drop(server, half_made)
            except BaseException:
                drop(server, half_made)
                raise
    return name


def clone(server: str, source: str = EMPTY, *, family: str = FAMILY) -> str:
    """Make a database like `source`, named after its family, and give its address.

    Raises `DatabaseUnavailableError` where the server does not answer or the role may not make databases.
    """
    name = f"{family}_{uuid.uuid4().hex}"
    with _connected(server) as conn:
        # copied as files, which takes a third of the time of copying through the log
        how = " strategy file_copy" if conn.info.server_version >= KNOWS_STRATEGY else ""
        execute(conn, "databases/create", _write("create database {} template {}" + how, name, source))
    return make_conninfo(server, dbname=name)


def hasten(server: str) -> None:
    """Have a server of the tests' own forget in a crash of the machine what it need not keep: no waiting for disks.

    With them a database took 1.5 s to make and drop on a busy machine, without 0.05.
    """
    with _connected(server) as conn:
        for change in ("alter system set fsync = off", "alter system set full_page_writes = off"):
            execute(conn, "databases/hasten", change)
        execute(conn, "databases/reload", "select pg_reload_conf()")


def drop(server: str, address: str) -> None:
    """Drop a clone, under those who still use it."""
    with _connected(server) as conn:
        execute(conn, "databases/drop", _write("drop database if exists {} with (force)", name_in(address)))


def _migrate(address: str, plugins: Sequence[Migration]) -> None:
    pool = Pool(address)
    try:
        migrate(pool, plugins)
    finally:
        pool.close()


@contextmanager
def _connected(server: str) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    try:
        with psycopg.connect(server, autocommit=True) as conn:
            yield conn
    except pg.InsufficientPrivilege as error:
        msg = f"{shown_dsn(server)}: this needs a database of its own: alter role … createdb, or name another server"
        raise DatabaseUnavailableError(msg) from error
    except psycopg.OperationalError as error:
        msg = f"no database can be made at {shown_dsn(server)}: {' '.join(str(error).split())}"
        raise DatabaseUnavailableError(msg) from error
    except psycopg.ProgrammingError as error:
        if error.sqlstate is not None:
            raise
        msg = f"the server's address cannot be read ({error}): use postgresql://user:password@host/name"
        raise SettingsError(msg) from None


def _write(text: Any, *names: str) -> sql.Composed:
    return sql.SQL(text).format(*map(sql.Identifier, names))


def name_in(address: str) -> str:
    """Give the name of the database in an address."""
    return str(conninfo_to_dict(address)["dbname"])
