"""A real PostgreSQL for every test: the embedded one, or PGFLOW_TEST_DATABASE_URL; each test its own database."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from pgflow.store.embedded import acquire
from pgflow.store.migrate import migrate
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TEMPLATE_LOCK = 0x7067_7465


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the machine's PGFLOW_* variables and .env out of the tests."""
    for name in [n for n in os.environ if n.startswith("PGFLOW_") and n != "PGFLOW_TEST_DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DATABASE_URL", raising=False)


@pytest.fixture(scope="session")
def server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a server on which databases may be made."""
    given = os.environ.get("PGFLOW_TEST_DATABASE_URL")
    if given:
        yield given
        return
    base = tmp_path_factory.getbasetemp()
    shared: Path = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with acquire(shared / "postgres") as server:
        yield server.url


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """The name of a migrated database, made once for all workers of the test run."""
    name = f"pgflow_template_{os.environ.get('PYTEST_XDIST_TESTRUNUID', uuid.uuid4().hex)[:12]}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute("select pg_advisory_lock(%s)", [TEMPLATE_LOCK])
        known = conn.execute("select 1 from pg_database where datname = %s", [name]).fetchone()
        if not known:
            conn.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
            pool = Pool(make_conninfo(server_url, dbname=name))
            migrate(pool)
            pool.close()
    return name


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    yield from _database(server_url, "template1")


@pytest.fixture
def migrated_url(server_url: str, template: str) -> Iterator[str]:
    """A database of the test's own with pgflow's schema in it."""
    yield from _database(server_url, template)


@pytest.fixture
def pool(migrated_url: str) -> Iterator[Pool]:
    """The store on a migrated database of the test's own."""
    pool = Pool(migrated_url)
    yield pool
    pool.close()


@pytest.fixture
def db(migrated_url: str) -> Iterator[psycopg.Connection[Any]]:
    """A plain connection to the test's database, in autocommit mode."""
    with psycopg.connect(migrated_url, autocommit=True) as conn:
        yield conn


def _database(server_url: str, template: str) -> Iterator[str]:
    name = sql.Identifier(f"pgflow_{uuid.uuid4().hex}")
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("create database {} template {}").format(name, sql.Identifier(template)))
    yield make_conninfo(server_url, dbname=name.as_string(None).strip('"'))
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(sql.SQL("drop database {} with (force)").format(name))


@pytest.fixture
def pool_of() -> Iterator[Callable[[str], Pool]]:
    """Make pools, closed behind the test."""
    made: list[Pool] = []

    def make(dsn: str) -> Pool:
        made.append(Pool(dsn))
        return made[-1]

    yield make
    for pool in made:
        pool.close()
