"""The pytest plugin: a database for each test, and the app under test on it.

Nothing of pgflow is imported before a fixture is asked for.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow.app import App


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let a project say once which app its tests are of."""
    parser.addini("pgflow_app", "the app that the fixture pgflow_app puts on a test database, as module:app")


@pytest.fixture(scope="session")
def pgflow_server_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The server on which databases are made: PGFLOW_TEST_DATABASE_URL, or else an embedded one of this test run's."""
    given = os.environ.get("PGFLOW_TEST_DATABASE_URL")
    if given:
        yield given
        return
    from pgflow.store import databases  # noqa: PLC0415 - only where a test asks for it
    from pgflow.store.embedded import acquire  # noqa: PLC0415 - the same

    base = tmp_path_factory.getbasetemp()
    # the workers of pytest-xdist have directories of their own in one that they share
    shared = base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base
    with acquire(shared / "pgflow-postgres") as server:
        databases.hasten(server.url)
        yield server.url


@pytest.fixture(scope="session")
def pgflow_template(pgflow_server_url: str) -> str:
    """The name of a database with the tables of pgflow and of the plugins installed, which each test's is a copy of."""
    from pgflow.app import App  # noqa: PLC0415 - only where a test asks for it
    from pgflow.store import databases  # noqa: PLC0415 - only where a test asks for it

    return databases.template(pgflow_server_url, App("template").migrations)


@pytest.fixture
def pgflow_database_url(pgflow_server_url: str, pgflow_template: str) -> Iterator[str]:
    """The address of a migrated database of the test's own, dropped behind it."""
    from pgflow.testing.databases import temporary  # noqa: PLC0415 - only where a test asks for it

    with temporary(pgflow_server_url, pgflow_template) as address:
        yield address


@pytest.fixture
def pgflow_app_under_test(pytestconfig: pytest.Config) -> App:
    """Your app: the one the setting `pgflow_app` names, else a new one. Override it to say otherwise."""
    from pgflow.testing.databases import named_app  # noqa: PLC0415 - only where a test asks for it

    return named_app(pytestconfig.getini("pgflow_app"))


@pytest.fixture
def pgflow_app(pgflow_app_under_test: App, pgflow_database_url: str) -> Iterator[App]:
    """Your app on a database of the test's own."""
    from pgflow.testing.databases import on_database  # noqa: PLC0415 - only where a test asks for it

    with on_database(pgflow_app_under_test, pgflow_database_url) as app:
        yield app


@pytest.fixture
def plugin_app(pgflow_database_url: str) -> Iterator[Callable[..., App]]:
    """Make apps for the tests of a plugin, of which `plugin_app(MyPlugin(), max_payload_bytes=100)` gives one.

    Each is on the test's own database, migrated with the plugins' own migrations, and its hooks are watched:
    see `pgflow.testing.assert_hook_called`.
    """
    from contextlib import ExitStack  # noqa: PLC0415 - only where a test asks for it

    from pgflow.app import App  # noqa: PLC0415 - only where a test asks for it
    from pgflow.testing.databases import on_database  # noqa: PLC0415 - only where a test asks for it
    from pgflow.testing.watching import watch  # noqa: PLC0415 - only where a test asks for it

    with ExitStack() as stack:

        def make(*plugins: object, name: str = "test", **settings: Any) -> App:
            app = App(name, plugins=plugins, **settings)
            watch(app)
            return stack.enter_context(on_database(app, pgflow_database_url))

        yield make
