"""Tests of the whole: what exists is documented, every statement prepares, and the house keeps its own rules."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

import pgflow
from pgflow import errors
from pgflow.codes import SUGGESTED_ACTIONS, DeadReason, ErrorCode, IngestReason, PolicyReason
from pgflow.errors import SchemaMismatchError
from pgflow.hooks import POLICIES, Specs, entry_point_plugins
from pgflow.hooks.reference import rewritten
from pgflow.settings import Settings
from pgflow.store import migrate
from pgflow.store.copying import SIGNATURE, TRAILER
from pgflow.store.pool import Pool
from pgflow.store.sending import send
from pgflow.store.statement import load

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "pgflow"
DOCS = ROOT / "docs"
STATEMENTS = SOURCE / "store" / "sql"
SQL = sorted(str(path.relative_to(STATEMENTS).with_suffix("")) for path in STATEMENTS.rglob("*.sql"))
MODULES = sorted(SOURCE.rglob("*.py"))
OF_PLUGINS = sorted((SOURCE / "plugins").rglob("sql/**/*.sql"))
PUBLIC = ("pgflow", "pgflow.admin", "pgflow.commands", "pgflow.testing")


def page(name: str) -> str:
    """A page of the documentation."""
    return (DOCS / name).read_text("utf-8")


def test_every_hook_has_a_spec_and_a_policy_in_one_order() -> None:
    assert list(POLICIES) == [name for name in vars(Specs) if name.startswith("pgflow_")]


@pytest.mark.parametrize("hook", POLICIES)
def test_every_hook_has_words_and_a_built_in_user(hook: str) -> None:
    assert inspect.getdoc(getattr(Specs, hook))
    own = [found.entry.load() for found in entry_point_plugins() if found.distribution == "pgflow" and found.entry]
    assert [plugin.__name__ for plugin in own if hasattr(plugin, hook)]


def test_the_reference_of_hooks_is_what_the_specs_say() -> None:
    assert page("reference/hooks.md") == rewritten(page("reference/hooks.md")), "run `nox -s docs`"


@pytest.mark.parametrize("field", sorted(Settings.model_fields))
def test_every_setting_says_what_it_sets(field: str) -> None:
    assert Settings.model_fields[field].description


def _error_classes() -> list[str]:
    return [
        name
        for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, Exception) and value.__module__ == "pgflow.errors"
    ]


@pytest.mark.parametrize("name", _error_classes())
def test_every_error_is_in_the_tree_and_in_the_reference(name: str) -> None:
    assert name in str(errors.__doc__)
    assert f"`{name}" in page("reference/errors-and-codes.md")


@pytest.mark.parametrize("code", list(ErrorCode))
def test_every_error_code_has_a_suggested_action_and_is_in_the_reference(code: ErrorCode) -> None:
    assert f"| `{code}` | {SUGGESTED_ACTIONS[code]} |" in page("reference/errors-and-codes.md")


@pytest.mark.parametrize("reason", [*DeadReason, *IngestReason, *PolicyReason])
def test_every_reason_code_is_in_the_reference(reason: str) -> None:
    assert f"`{reason}`" in page("reference/errors-and-codes.md")


def test_every_public_name_has_a_docstring() -> None:
    silent = [name for name in pgflow.__all__ if not inspect.getdoc(getattr(pgflow, name))]
    assert silent == []


@pytest.mark.parametrize("name", SQL)
def test_every_statement_says_why_and_prepares(name: str, db: Any) -> None:
    text = (STATEMENTS / f"{name}.sql").read_text("utf-8")
    assert text.startswith("-- "), "the first line says why"
    if load(name).text.lstrip().startswith("truncate"):  # cannot be prepared, so it is run and undone
        with db.transaction(force_rollback=True):
            db.execute(load(name).text)
        return
    if load(name).copies:  # nor can this; what is nothing in its format is copied
        send(db, load(name), {"blocks": [SIGNATURE, TRAILER]})
        return
    _prepare(db, load(name).text)


@pytest.mark.parametrize("path", OF_PLUGINS, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_statement_of_a_plugin_says_why_and_prepares(path: Path, db: Any) -> None:
    text = path.read_text("utf-8")
    assert text.startswith("-- "), "the first line says why"
    _prepare(db, text)


def _prepare(db: Any, text: str) -> None:
    numbers: dict[str, int] = {}
    numbered = re.sub(r"%\((\w+)\)s", lambda m: f"${numbers.setdefault(m[1], len(numbers) + 1)}", text)
    db.execute(f"prepare statement as {numbered}")


def test_every_migration_is_applied_once_and_a_second_run_does_nothing(database_url: str, pool_of: Any) -> None:
    pool = pool_of(database_url)
    assert migrate.migrate(pool) == list(migrate.available())
    assert migrate.migrate(pool) == []
    migrate.check(pool)


def test_a_schema_too_old_too_new_or_changed_is_refused_by_name(database_url: str, pool_of: Any) -> None:
    pool = pool_of(database_url)
    with pytest.raises(SchemaMismatchError, match=r"older than this pgflow: 0001_jobs.*pgflow migrate"):
        migrate.check(pool)
    migrate.migrate(pool)
    with psycopg.connect(database_url, autocommit=True) as conn:
        conn.execute("update pgflow.migrations set checksum = 'other' where version = 1")
        with pytest.raises(SchemaMismatchError, match="0001_jobs was applied from another text"):
            migrate.check(pool)
        conn.execute("insert into pgflow.migrations (version, name, checksum) values (9999, 'future', '')")
        conn.execute("delete from pgflow.migrations where version = 1")
        with pytest.raises(SchemaMismatchError, match=r"newer than this pgflow: it has 9999_future; upgrade"):
            migrate.check(pool)


def test_a_role_that_may_not_migrate_is_told_what_to_do_and_may_look(database_url: str, pool_of: Any) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        role = f"lesser_{conn.info.dbname}"
        conn.execute(f"create role {role} login")
        lesser = pool_of(make_conninfo(database_url, user=role))
        try:
            with pytest.raises(SchemaMismatchError, match="run it as the owner"):
                migrate.migrate(lesser)
            migrate.migrate(pool_of(database_url))
            conn.execute(f"grant usage on schema pgflow to {role}")
            conn.execute(f"grant select on pgflow.migrations to {role}")
            assert migrate.migrate(lesser) == []
        finally:
            lesser.close()
            conn.execute(f"drop owned by {role} cascade")
            conn.execute(f"drop role {role}")


def test_six_migrations_at_once_apply_each_file_once(database_url: str, pool_of: Any) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(6) as threads:
        applied = list(threads.map(lambda _: migrate.migrate(pool_of(database_url)), range(6)))
    assert sum(map(len, applied)) == len(migrate.available())


def test_the_schema_needs_no_superuser_and_no_extension(database_url: str, server_url: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as conn:
        name = conn.info.dbname
        conn.execute(f"create role plain_{name} login")
        conn.execute(f"grant create, connect on database {name} to plain_{name}")
    pool = Pool(make_conninfo(database_url, user=f"plain_{name}"))
    try:
        migrate.migrate(pool)
    finally:
        pool.close()
        with psycopg.connect(database_url, autocommit=True) as conn:
            conn.execute(f"drop owned by plain_{name} cascade")
            conn.execute(f"drop role plain_{name}")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_is_short_and_says_what_it_holds(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), "a module's docstring says in a sentence what it holds"
    assert len(text.splitlines()) <= 300
    assert path.stem not in {"utils", "helpers", "common", "misc"}


def test_imports_go_one_way_and_only_the_store_speaks_to_postgresql() -> None:
    command = [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"]
    ran = subprocess.run([*command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_plugins_import_public_names_only() -> None:
    for path in (SOURCE / "plugins").rglob("*.py"):
        own = ".".join(("pgflow", *path.relative_to(SOURCE).with_suffix("").parts[:2]))
        for name in _imported_from_pgflow(path):
            assert name in PUBLIC or name.startswith(own), f"{path.relative_to(SOURCE)} imports {name}"


def _imported_from_pgflow(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("pgflow"):
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("pgflow"))


def test_every_link_of_the_documentation_leads_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.rglob("*.md")]
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text("utf-8"))
        if not target.startswith(("http://", "https://")) and not (path.parent / target).exists()
    ]
    assert broken == []


def test_every_page_is_in_the_index() -> None:
    index = page("README.md")
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"README.md"}
    assert [name for name in sorted(pages) if f"({name})" not in index and not name.startswith("adr/")] == []


def test_every_public_name_is_found_where_it_is_said_to_be() -> None:
    assert sorted(pgflow._HOME_OF) == sorted(pgflow.__all__)
    assert [name for name in pgflow.__all__ if not hasattr(pgflow, name)] == []


def test_asking_for_help_loads_no_database_driver() -> None:
    script = "import sys, pgflow.cli; print('psycopg' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "False"
