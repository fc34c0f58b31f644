"""Audit: every change is kept with who made it, shown newest first, and forgotten when it is old."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pgflow import Actor, App, SettingsError, WorkerInfo
from pgflow.admin import Call, Maintenance
from pgflow.plugins.audit import Audit
from pgflow.plugins.audit.routes import LIST_AUDIT, AuditPage, AuditQuery
from pgflow.store import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import psycopg

OPS = Actor("ops", frozenset({"operate"}))
CI = Actor("ci", frozenset({"enqueue"}))


@pytest.fixture
def app(migrated_url: str) -> Iterator[App]:
    app = App("tests", dsn=migrated_url, plugins=[Audit()])
    migrate.migrate(app.pool, app.migrations)
    yield app
    app.close()


def page(app: App, **query: Any) -> AuditPage:
    call = Call(app=app, actor=OPS, path={}, query=AuditQuery(**query), body=None, headers={})
    found = LIST_AUDIT.answer(call)
    assert isinstance(found, AuditPage)
    return found


def kept(app: App, **query: Any) -> list[tuple[str, str, str, int, Any]]:
    return [(e.actor, e.action, e.resource, e.status, e.result) for e in page(app, **query).items]


def test_a_change_is_kept_with_who_made_it_and_what_came_of_it(app: App) -> None:
    app.hooks.audit(OPS, "pause_queue", "/queues/q/pause", {"status": 200, "reason": "spring cleaning"})
    app.hooks.audit(CI, "cancel_job", "/jobs/1/cancel", {"status": 409})
    assert kept(app) == [
        ("ci", "cancel_job", "/jobs/1/cancel", 409, {}),
        ("ops", "pause_queue", "/queues/q/pause", 200, {"reason": "spring cleaning"}),
    ]
    assert kept(app, actor="ops") == kept(app, action="pause_queue") == kept(app)[1:]
    assert kept(app, actor="ops", action="cancel_job") == []


def test_it_is_paged_from_the_newest_to_the_oldest(app: App) -> None:
    for number in range(5):
        app.hooks.audit(OPS, "act", f"/{number}", {"status": 200})
    found: list[str] = []
    cursor = None
    while True:
        some = page(app, limit=2, cursor=cursor)
        found += [entry.resource for entry in some.items]
        if some.next_cursor is None:
            break
        cursor = int(some.next_cursor)
    assert found == ["/4", "/3", "/2", "/1", "/0"]


@pytest.mark.parametrize("odd", ["\0", "\ud800", "é" * 5_000, "'; drop table pgflow.audit; --"])
def test_no_text_makes_it_fail(app: App, odd: str) -> None:
    app.hooks.audit(
        Actor(odd, frozenset()), odd, odd, {"status": 422, "said": odd, odd: object(), "long": "x" * 70_000}
    )
    assert app.hooks.errors == {}
    (entry,) = page(app).items
    assert entry.status == 422
    assert entry.result["characters"] > 70_000
    assert all(0 < len(text) <= 2_000 for text in (entry.actor, entry.action, entry.resource))
    app.hooks.audit(OPS, "act", "/", {"status": 200, "said": odd[:9]})
    assert page(app).items[0].result == {"said": odd[:9].replace("\ud800", "?")}


def test_a_failure_to_keep_it_is_counted_and_the_change_stands(app: App, db: psycopg.Connection[Any]) -> None:
    db.execute("drop table pgflow.audit")
    app.hooks.audit(OPS, "act", "/", {"status": 200})
    assert app.hooks.errors == {("audit", "pgflow_audit"): 1}


def test_old_entries_are_forgotten_in_thousands(app: App, db: psycopg.Connection[Any]) -> None:
    for days, rows in ((31, 2_500), (29, 3)):
        db.execute(
            "insert into pgflow.audit (at, status, actor, action, resource, result)"
            " select now() - make_interval(days => %s), 200, 'a', 'b', 'c', '{}' from generate_series(1, %s)",
            [days, rows],
        )
    db.execute("insert into pgflow.turns values ('maintenance', 'w1', now() + interval '1 h')")
    run = Maintenance(app, WorkerInfo("w1", "here", 1, "asyncio", (), ()), app.pool)
    app.hooks.maintenance(run)
    assert app.hooks.errors == {}
    assert len(page(app, limit=500).items) == 3


def test_how_long_it_is_kept_is_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_AUDIT_DAYS", "0")
    with pytest.raises(SettingsError, match=r"PGFLOW_AUDIT_DAYS.*greater than or equal to 0\.01"):
        Audit().pgflow_configure(App("tests"))


def test_only_the_scope_admin_may_read_it_and_reading_is_no_change() -> None:
    assert (LIST_AUDIT.scope, LIST_AUDIT.changes) == ("admin", False)
    assert Audit().pgflow_admin_routes().endpoints == (LIST_AUDIT,)


def test_the_command_lists_it(app: App, migrated_url: str, tmp_path: Path) -> None:
    app.hooks.audit(OPS, "pause_queue", "/queues/q/pause", {"status": 200})
    app.hooks.audit(CI, "cancel_job", "/jobs/1/cancel", {"status": 409})
    (tmp_path / "mine.py").write_text(
        "import typer\nfrom pgflow.plugins.audit import Audit\ncli = typer.Typer()\ncli.callback()(lambda: None)\n"
        "Audit().pgflow_cli(cli)\ncli()\n"
    )

    def run(*words: str) -> str:
        command = [sys.executable, "mine.py", "audit", *words]
        environment = {**os.environ, "PGFLOW_DATABASE_URL": migrated_url}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=True
        ).stdout

    listed = json.loads(run("--json", "--limit", "1"))
    assert [entry["action"] for entry in listed["items"]] == ["cancel_job"]
    assert listed["next_cursor"] == listed["items"][0]["id"]
    assert "pause_queue  /queues/q/pause  200" in run("--before", listed["next_cursor"])
    assert "ci" not in run("--actor", "ops")
    assert run("--action", "nothing") == "nothing was changed through the admin\n"
