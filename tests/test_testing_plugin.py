"""The pytest plugin, in the project of somebody else: their app, their settings, their page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import psycopg
import pytest

from pgflow import App
from pgflow.errors import AppNotFoundError
from pgflow.store import databases
from pgflow.testing import drain, use_database
from pgflow.testing.databases import named_app

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "test-your-tasks.md"
SHOP = """
from pgflow import App

app = App("shop", dsn="postgresql://nobody@localhost:1/nowhere")

@app.task(keep_result=True)
def greet(name: str) -> str:
    return f"hello, {name}"
"""
TESTS = """
import pytest
from pgflow.testing import adrain, drain
from shop import app, greet

@pytest.mark.parametrize("turn", [1, 2])
def test_each_has_a_database_of_its_own(pgflow_app, turn):
    assert pgflow_app is app
    job = greet.enqueue("test")
    assert drain(app).succeeded == 1
    assert job.wait() == "hello, test"

@pytest.mark.anyio
async def test_awaited(pgflow_app):
    job = await greet.aenqueue("loop")
    assert (await adrain(pgflow_app)).succeeded == 1
    assert await job.await_result() == "hello, loop"

def test_the_app_is_back_on_its_own():
    assert app.settings.database_url.endswith("/nowhere")
"""
LIGHT = ("-p", "no:schemathesis")
"""Without a plugin that no such project has, which takes two seconds to import."""
UNUSED = """
import sys

def test_nothing_was_imported():
    assert not {"pgflow.app", "pgflow.store", "psycopg"} & {*sys.modules}
"""


class RunPytest(Protocol):
    """Write files into a project and run pytest there; gives what it says."""

    def __call__(self, *, fails: bool = False, **files: str) -> str: ...


@pytest.fixture
def run_pytest(tmp_path: Path, server_url: str) -> RunPytest:
    def run(*, fails: bool = False, **files: str) -> str:
        for name, text in files.items():
            ending = "ini" if name == "pytest" else "py"
            (tmp_path / f"{name}.{ending}").write_text(text, "utf-8")
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "-p", "no:xdist", *LIGHT],
            cwd=tmp_path,
            env={
                **{name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"},
                "PGFLOW_TEST_DATABASE_URL": server_url,
                "PYTHONPATH": str(tmp_path),
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done.stdout

    return run


def test_a_project_names_its_app_in_a_setting(run_pytest: RunPytest) -> None:
    said = run_pytest(shop=SHOP, test_shop=TESTS, pytest="[pytest]\npgflow_app = shop:app\n")
    assert "5 passed" in said


def test_the_page_s_own_project_passes(run_pytest: RunPytest) -> None:
    blocks = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    files = dict(blocks)
    assert {*files} == {"conftest", "test_shop"}
    assert "1 passed" in run_pytest(shop=SHOP, **files)


def test_a_project_that_uses_none_of_it_imports_none_of_it(run_pytest: RunPytest) -> None:
    assert "1 passed" in run_pytest(test_other=UNUSED)


def test_a_setting_that_leads_nowhere_says_what_to_write(run_pytest: RunPytest) -> None:
    said = run_pytest(fails=True, shop=SHOP, test_shop=TESTS, pytest="[pytest]\npgflow_app = shop:missing\n")
    assert re.search(r"pgflow_app = 'shop:missing' in pytest's settings: .*; say module:app", said)


def test_a_setting_that_names_no_app_is_told() -> None:
    with pytest.raises(AppNotFoundError, match="that is a type, not a pgflow App"):
        named_app("pgflow:App")
    assert named_app("").name == "test"


def test_an_app_is_put_on_another_database_and_back(migrated_url: str) -> None:
    app = App("shop", dsn="postgresql://nobody@localhost:1/nowhere", max_payload_bytes=1234)

    @app.task
    def note() -> None: ...

    with use_database(app, migrated_url):
        note.enqueue()
        assert drain(app).succeeded == 1
        assert (app.settings.database_url, app.settings.max_payload_bytes) == (migrated_url, 1234)
    with pytest.raises(ZeroDivisionError), use_database(app, migrated_url):
        raise ZeroDivisionError
    assert app.settings.database_url == "postgresql://nobody@localhost:1/nowhere"


def test_the_template_is_made_once_and_found_again(server_url: str, template: str) -> None:
    migrations = App("template").migrations
    assert databases.template(server_url, migrations) == template
    assert databases.template(server_url, migrations) == template


def test_a_template_that_cannot_be_made_leaves_no_database(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def refuse(address: str, plugins: object) -> None:
        made.append(psycopg.conninfo.conninfo_to_dict(address)["dbname"])
        raise ZeroDivisionError

    monkeypatch.setattr(databases, "available", list)
    monkeypatch.setattr(databases, "_migrate", refuse)
    with pytest.raises(ZeroDivisionError):
        databases.template(server_url)
    with psycopg.connect(server_url) as conn:
        assert conn.execute("select 1 from pg_database where datname = any (%s)", [made]).fetchall() == []
    assert len(made) == 1
