"""Plugins' migrations: applied once, behind pgflow's own, and recorded with their texts' checksums."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pgflow import App, Migrations, SchemaMismatchError, hookimpl
from pgflow.cli import run
from pgflow.store import migrate
from workers import work

if TYPE_CHECKING:
    from collections.abc import Callable

    import psycopg


class WithTable:
    name = "shelves"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @hookimpl
    def pgflow_migrations(self) -> Migrations:
        return Migrations(self.folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_shelves.sql").write_text("create schema shelves; create table shelves.shelf (id integer);")
    return tmp_path


def test_a_plugins_migrations_are_applied_once_and_in_order(
    app_with: Callable[..., App], folder: Path, db: psycopg.Connection[Any]
) -> None:
    app = app_with(WithTable(folder))
    assert [m.label for m in migrate.migrate(app.pool, app.migrations)] == ["shelves/0001_shelves"]
    (folder / "0002_more.sql").write_text("alter table shelves.shelf add column name text")
    assert [m.label for m in migrate.migrate(app.pool, app.migrations)] == ["shelves/0002_more"]
    assert migrate.migrate(app.pool, app.migrations) == []
    assert db.execute("select id, name from shelves.shelf").fetchall() == []


@pytest.mark.anyio
async def test_a_worker_refuses_to_start_before_they_are_applied(app_with: Callable[..., App], folder: Path) -> None:
    app = app_with(WithTable(folder))
    with pytest.raises(SchemaMismatchError, match=r"shelves/0001_shelves not applied; run `pgflow migrate`"):
        await work(app)


def test_a_migration_changed_after_it_was_applied_is_refused(app_with: Callable[..., App], folder: Path) -> None:
    app = app_with(WithTable(folder))
    migrate.migrate(app.pool, app.migrations)
    (folder / "0001_shelves.sql").write_text("create table other (id integer)")
    with pytest.raises(SchemaMismatchError, match="shelves/0001_shelves was applied from another text"):
        migrate.check(app.pool, app.migrations)


def test_a_folder_without_migrations_is_refused_by_name(app_with: Callable[..., App], tmp_path: Path) -> None:
    app = app_with(WithTable(tmp_path / "nowhere"))
    with pytest.raises(SchemaMismatchError, match="which plugin shelves names"):
        _ = app.migrations


def test_what_a_plugin_that_is_gone_has_applied_disturbs_nobody(app_with: Callable[..., App], folder: Path) -> None:
    app = app_with(WithTable(folder))
    migrate.migrate(app.pool, app.migrations)
    migrate.check(app_with().pool, ())


def test_migrate_names_what_a_plugin_adds(
    migrated_url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "shelved.py").write_text(
        "from pathlib import Path\nfrom pgflow import App, Migrations, hookimpl\n"
        "class Shelves:\n    @hookimpl\n    def pgflow_migrations(self):\n"
        f"        return Migrations(Path({str(folder)!r}))\n"
        "app = App('shelved', plugins=[Shelves()])\n"
    )
    monkeypatch.chdir(folder)
    assert run(["migrate", "--check", "-A", "shelved:app", "--dsn", migrated_url]) == 1
    assert capsys.readouterr().out == "missing shelves/0001_shelves\n"
    assert run(["migrate", "-A", "shelved:app", "--dsn", migrated_url]) == 0
    assert capsys.readouterr().out == "applied shelves/0001_shelves\n"
