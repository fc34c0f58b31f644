"""One database for all meetings, emptied before each, and audited behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos.sessions import audited
from pgflow.store import buckets
from pgflow.store.admin import act
from pgflow.store.pool import Pool
from pgflow.testing.databases import temporary

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def arena(server_url: str, template: str) -> Iterator[str]:
    with temporary(server_url, template) as address:
        yield address


@pytest.fixture
def migrated_url(arena: str) -> str:
    return arena


@pytest.fixture
def pool(arena: str) -> Iterator[Pool]:
    """The store on a database with nothing in it."""
    pool = Pool(arena)
    pool.run(act.reset())
    yield pool
    for bucket in pool.run(buckets.listing()):
        if bucket.starts_at is not None:
            buckets.remove(pool, bucket.name)
    pool.close()


@pytest.fixture(autouse=True)
def the_audit_finds_nothing(pool: Pool) -> Iterator[None]:
    """Audit behind each test: what the test looks at is not all that can be wrong."""
    yield
    assert audited(pool) == []


@pytest.fixture(params=[True, False], ids=["committed", "rolled back"])
def commit(request: pytest.FixtureRequest) -> bool:
    """Whether the first session commits."""
    return bool(request.param)
