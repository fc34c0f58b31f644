"""A real PostgreSQL for every test: the embedded one, or PGFLOW_TEST_DATABASE_URL; each test its own database."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from pgflow.store.pool import Pool
from pgflow.testing.databases import temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the machine's PGFLOW_* variables and .env out of the tests."""
    for name in [n for n in os.environ if n.startswith("PGFLOW_") and n != "PGFLOW_TEST_DATABASE_URL"]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("DATABASE_URL", raising=False)


@pytest.fixture(scope="session")
def server_url(pgflow_server_url: str) -> str:
    """The URL of a server on which databases may be made."""
    return pgflow_server_url


@pytest.fixture(scope="session")
def template(pgflow_template: str) -> str:
    """The name of a migrated database, made once for all workers of the test run."""
    return pgflow_template


@pytest.fixture
def database_url(server_url: str) -> Iterator[str]:
    """An empty database of the test's own."""
    with temporary(server_url) as address:
        yield address


@pytest.fixture
def migrated_url(server_url: str, template: str) -> Iterator[str]:
    """A database of the test's own with pgflow's schema in it."""
    with temporary(server_url, template) as address:
        yield address


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
