"""Databases of a test's own, and an app put on one for a while."""

from __future__ import annotations

from contextlib import contextmanager
from pkgutil import resolve_name
from typing import TYPE_CHECKING

from pgflow.app import App
from pgflow.errors import AppNotFoundError
from pgflow.settings import Settings
from pgflow.store import databases
from pgflow.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def temporary(server: str, source: str = databases.EMPTY) -> Iterator[str]:
    """Make a database like `source`, give its address, and drop it behind the block."""
    address = databases.clone(server, source)
    try:
        yield address
    finally:
        databases.drop(server, address)


@contextmanager
def use_database(app: App, url: str) -> Iterator[App]:
    """Put an app on another database until the end of the block; its other settings stay as they are.

    Jobs are kept in one bucket there: making a week of them ahead would take longer than most tests.
    """
    before: dict[str, object] = {name: vars(app)[name] for name in ("settings", "database") if name in vars(app)}
    given = app.settings.model_dump(exclude_unset=True)
    app.close()
    vars(app).pop("database", None)
    app.settings = Settings.read(**{**given, "database_url": url, "dataset_bucket": "none"})
    app.house.forget()
    try:
        yield app
    finally:
        app.close()
        for name in ("settings", "database"):
            vars(app).pop(name, None)
        vars(app).update(before)
        app.house.forget()


@contextmanager
def on_database(app: App, url: str) -> Iterator[App]:
    """Put an app on a test's database, as `use_database` does, with the tables of the plugins it was given."""
    with use_database(app, url):
        migrate(app.pool, app.migrations)
        yield app


def named_app(spec: str) -> App:
    """Import the app that `module:app` names, or make one where it names none. Raises `AppNotFoundError`."""
    if not spec:
        return App("test")
    try:
        found = resolve_name(spec)
    except (ImportError, AttributeError, ValueError) as error:
        msg = f"pgflow_app = {spec!r} in pytest's settings: {error}; say module:app, importable from the tests"
        raise AppNotFoundError(msg) from error
    if not isinstance(found, App):
        msg = f"pgflow_app = {spec!r} in pytest's settings: that is a {type(found).__name__}, not a pgflow App"
        raise AppNotFoundError(msg)
    return found
