"""Templates and clones: whoever comes first makes a template, and nobody fails because another one did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from pgflow.store import databases
from pgflow.store.migrate import Migration
from pgflow.testing.databases import temporary

if TYPE_CHECKING:
    import pytest


def test_a_template_made_meanwhile_from_another_database_of_the_server_is_taken(
    server_url: str, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = [Migration(1, "own", f"select '{database_url[-32:]}'", "tests")]
    migrate, made = databases._migrate, []

    def overtaken(address: str, plugins: Any) -> None:
        monkeypatch.setattr(databases, "_migrate", migrate)
        made.append(databases.template(database_url, plugins))
        migrate(address, plugins)

    monkeypatch.setattr(databases, "_migrate", overtaken)
    name = databases.template(server_url, own)
    try:
        assert made == [name]
        with temporary(server_url, name) as address, psycopg.connect(address) as conn:
            assert conn.execute("select plugin from pgflow.plugin_migrations").fetchall() == [("tests",)]
    finally:
        databases.drop(server_url, make_conninfo(server_url, dbname=name))
