"""Edges have names: nothing runs SQL but by name, and whoever stands at an edge sees what is committed there."""

from __future__ import annotations

import ast
import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.pq import TransactionStatus

import pgflow
from moves import put
from pgflow import App
from pgflow.store import buckets, points
from pgflow.store.admin import act
from pgflow.store.listen import Listener
from pgflow.store.points import Point
from pgflow.store.statement import Query

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.store.pool import Pool

ROOT = Path(__file__).parents[2]
DOORS = {"store/sending.py", "store/joined/libraries.py"}
SENDS = {"execute", "executemany", "cursor", "pipeline", "exec_params", "send_query"}

Watch = list[tuple[Point, bool]]


class StopError(Exception):
    """What the watchers of these tests raise."""


@pytest.fixture
def watch() -> Iterator[Callable[[Callable[[Point, Any], object]], None]]:
    """Set a watcher, until the end of the test."""

    def watch(watcher: Callable[[Point, Any], object]) -> None:
        points.watcher = watcher  # type: ignore[assignment]

    yield watch
    points.watcher = None


@pytest.fixture
def seen(watch: Callable[[Any], None]) -> Watch:
    """The edges that are reached, each with whether a transaction was open."""
    found: Watch = []
    watch(lambda point, conn: found.append((point, conn.info.transaction_status is TransactionStatus.INTRANS)))
    return found


def stop_at(name: str, moment: str) -> Callable[[Point, Any], None]:
    def watcher(point: Point, _conn: Any) -> None:
        if point == (name, moment):
            raise StopError

    return watcher


def sends(source: str) -> set[str]:
    calls = [node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return {f.attr for f in calls if isinstance(f, ast.Attribute) and f.attr in SENDS}


def test_only_the_doors_send_sql() -> None:
    files = [*(ROOT / "src/pgflow").rglob("*.py"), *(ROOT / "contrib").glob("*/src/**/*.py")]
    assert len(files) > 200
    strays = {str(f.relative_to(ROOT)): sends(f.read_text("utf-8")) for f in files}
    doors = {f"src/pgflow/{door}" for door in DOORS}
    assert {name for name, found in strays.items() if found} == doors


def test_a_statement_beside_the_doors_would_be_seen() -> None:
    assert sends("def f(conn):\n    with conn.transaction():\n        conn.execute('select 1')") == {"execute"}


def test_no_two_queries_have_one_name() -> None:
    named: dict[str, set[str]] = {}
    for module in pkgutil.walk_packages(pgflow.__path__, "pgflow."):
        if module.name.endswith("__main__"):
            continue
        for value in vars(importlib.import_module(module.name)).values():
            queries = value.values() if isinstance(value, dict) else [value]
            for query in queries:
                if isinstance(query, Query):
                    named.setdefault(query.name, set()).add(query.text)
    assert len(named) > 100
    assert [name for name, texts in named.items() if len(texts) > 1] == []


def test_a_statement_has_an_edge_before_it_before_its_commit_and_behind(pool: Pool, seen: Watch) -> None:
    put(pool)
    edges = [found for found in seen if found[0].name == "enqueue"]
    assert edges == [
        (Point("enqueue", "before"), True), (Point("enqueue", "uncommitted"), True),
        (Point("enqueue", "committed"), False),
    ]  # fmt: skip


def test_what_travels_with_its_commit_is_taken_apart_where_someone_stands(pool: Pool, seen: Watch) -> None:
    pool.run(act.reset())
    assert [point for point, _ in seen if point.name not in ("greet", "bound")] == [
        ("settings", "before"), ("settings", "uncommitted"), ("admin/reset", "before"), ("admin/reset", "uncommitted"),
        ("admin/reset", "committed"),
    ]  # fmt: skip


def test_the_edge_behind_a_commit_has_the_name_of_the_last_statement(pool: Pool, seen: Watch) -> None:
    [job_id] = put(pool)
    seen.clear()
    pool.together(lambda run: act.cancel(run, job_id))
    assert seen[-1] == (Point("admin/forget_cancel", "committed"), False)
    assert [point.moment for point, _ in seen].count("committed") == 1


@pytest.mark.parametrize(("moment", "stored"), [("before", 0), ("uncommitted", 0), ("committed", 1)])
def test_what_is_raised_at_an_edge_goes_up_and_only_a_commit_stays(
    pool: Pool, db: Any, watch: Callable[[Any], None], moment: str, stored: int
) -> None:
    watch(stop_at("enqueue", moment))
    with pytest.raises(StopError):
        put(pool)
    watch(lambda *_: None)
    assert db.execute("select count(*) from pgflow.jobs").fetchone() == (stored,)
    put(pool)


def test_a_transaction_with_an_enqueue_in_it_is_one(pool: Pool, migrated_url: str, db: Any, seen: Watch) -> None:
    app = App("tests", dsn=migrated_url)
    with app.db.transaction() as opened:
        opened.run(act.pause("default"))
        app.enqueue("tests.task", conn=opened.conn)
        assert db.execute("select count(*) from pgflow.queues").fetchone() == (0,)
    app.close()
    assert db.execute("select count(*) from pgflow.ready").fetchone() == (1,)
    assert [point for point, _ in seen if point.name in ("admin/pause", "joined/enqueue")] == [
        ("admin/pause", "before"), ("admin/pause", "uncommitted"), ("joined/enqueue", "before"),
        ("joined/enqueue", "uncommitted"), ("admin/pause", "committed"),
    ]  # fmt: skip


def test_a_transaction_that_fails_leaves_neither_statement_nor_job(pool: Pool, migrated_url: str, db: Any) -> None:
    app = App("tests", dsn=migrated_url)

    def half() -> None:
        with app.db.transaction() as opened:
            opened.run(act.pause("default"))
            app.enqueue("tests.task", conn=opened.conn)
            raise StopError

    with pytest.raises(StopError):
        half()
    app.close()
    left = "select (select count(*) from pgflow.queues), (select count(*) from pgflow.jobs)"
    assert db.execute(left).fetchone() == (0, 0)


def test_buckets_have_edges_too(pool: Pool, seen: Watch) -> None:
    buckets.ensure(pool, "day")
    assert (Point("admin/create_bucket", "uncommitted"), True) in seen


@pytest.mark.anyio
async def test_listening_has_edges_too(migrated_url: str, seen: Watch) -> None:
    async with Listener(migrated_url):
        assert seen[-2:] == [(Point("listen", "before"), False), (Point("listen", "committed"), False)]
        assert {point.name for point, _ in seen} == {
            "greet",
            "bound",
            "listen/ear",
            "listen/ring",
            "listen/enough",
            "listen",
        }


def test_without_a_watcher_nothing_is_asked_of_the_connection(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    put(pool)

    def reached(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(points, "Point", reached)
    put(pool)
    pool.together(lambda run: run(act.pause("default")))
    with psycopg.connect(pool.dsn) as conn:
        assert conn.execute("select count(*) from pgflow.jobs").fetchone() == (2,)
