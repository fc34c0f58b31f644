"""A session goes on holding the settings of the statement it ran last, and nobody else meets them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from moves import claim, put
from pgflow.store import claims
from pgflow.store.pool import Pool
from pgflow.store.statement import Query, Statement, first_column

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

NAMES = ["plan_cache_mode", "enable_seqscan", "enable_hashjoin", "synchronous_commit"]
USUAL = ["auto", "on", "on", "on"]
ASK = "select current_setting(s) from unnest(%(names)s::text[]) as s"


@pytest.fixture
def make(migrated_url: str) -> Iterator[Callable[..., Pool]]:
    made: list[Pool] = []

    def make(**options: Any) -> Pool:
        made.append(Pool(migrated_url, **options))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


def seen(pool: Pool, settings: Mapping[str, str] | None = None) -> list[str]:
    return pool.run(Statement(Query("seen", ASK, settings or {}), {"names": NAMES}, first_column))


def pids(pool: Pool, settings: Mapping[str, str] | None = None) -> int:
    return int(pool.run(Statement(Query("pid", "select pg_backend_pid()", settings or {}), {}, lambda r: r[0][0])))


def test_each_statement_meets_its_own_settings_on_one_connection(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    for _ in range(2):
        assert seen(pool, claims.CLAIM.settings) == ["force_generic_plan", "off", "off", "off"]
        assert seen(pool) == USUAL
        assert seen(pool, {"enable_seqscan": "off"}) == ["auto", "off", "on", "on"]


def test_transactions_and_borrowers_meet_none_of_them(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    ask = Statement(Query("seen", ASK), {"names": NAMES}, first_column)
    looks: list[Callable[[], list[str]]] = [
        lambda: pool.together(lambda run: run(ask)),
        lambda: pool.snapshot(lambda run: run(ask), seconds=5),
        lambda: [row[0] for row in _rows(pool)],
    ]
    for look in looks:
        seen(pool, claims.CLAIM.settings)
        assert look() == USUAL


def _rows(pool: Pool) -> list[tuple[Any, ...]]:
    with pool.connection() as conn:
        return conn.execute(ASK, {"names": NAMES}).fetchall()


def test_a_statement_that_fails_leaves_no_doubt_about_what_the_session_holds(make: Callable[..., Pool]) -> None:
    pool = make(size=1)
    broken = Statement(Query("broken", "select 1 / 0", {"enable_seqscan": "off"}), {}, first_column)
    for _ in range(2):
        with pytest.raises(psycopg.Error):
            pool.run(broken)
        assert seen(pool) == USUAL
        assert seen(pool, {"enable_hashjoin": "off"}) == ["auto", "on", "off", "on"]
        with pytest.raises(psycopg.Error):
            pool.run(broken)
        assert seen(pool, {"enable_seqscan": "off"}) == ["auto", "off", "on", "on"]


def test_a_claim_is_committed_by_itself_where_its_session_held_its_settings_already(
    make: Callable[..., Pool], db: psycopg.Connection[Any]
) -> None:
    pool = make(size=1)
    put(pool)
    seen(pool, claims.CLAIM.settings)
    claim(pool)
    assert db.execute("select count(*) from pgflow.leases").fetchone() == (1,)


def test_statements_that_take_turns_come_to_have_a_connection_each(make: Callable[..., Pool]) -> None:
    pool = make(size=2)
    one, other = {"enable_seqscan": "off"}, {"enable_hashjoin": "off"}
    for _ in range(1_000):
        used = {pids(pool, one), pids(pool, other)}
        if len(used) == 2:
            break
    assert len(used) == 2
    for _ in range(20):
        assert pids(pool, one) != pids(pool, other)
    assert len({pids(pool, one) for _ in range(20)}) == 1


def test_where_every_statement_has_settings_of_the_pools_nothing_is_left_to_the_session(
    make: Callable[..., Pool],
) -> None:
    pool = make(size=1, relaxed=True)
    assert seen(pool, {"enable_seqscan": "off"}) == ["auto", "off", "on", "off"]
    with pool.connection() as conn:
        assert conn.execute("show enable_seqscan").fetchall() == [("on",)]
