"""Finds the app a command speaks of: `module:app`, or a bare one where no tasks are needed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgflow.app import App
from pgflow.errors import AppNotFoundError
from pgflow.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType


@contextmanager
def opened(spec: str | None, dsn: str | None = None, *, needs_tasks: bool = False, **settings: Any) -> Iterator[App]:
    """Give the app, with these settings outranking its own, and close it behind the block.

    Without a spec and PGFLOW_APP it is a bare app. Raises `AppNotFoundError` where tasks are needed.
    """
    app = find(spec or Settings.read().app, needs_tasks=needs_tasks)
    given = {name: value for name, value in {"database_url": dsn, **settings}.items() if value is not None}
    if given:
        app.configure(**given)
    try:
        yield app
    finally:
        app.close()


def find(spec: str | None, *, needs_tasks: bool) -> App:
    """Import the app that `module:app`, `module.app` or `module` names. Raises `AppNotFoundError`."""
    if spec is not None:
        return _find(spec)
    if needs_tasks:
        msg = "no app is named: give -A module:app, or set PGFLOW_APP"
        raise AppNotFoundError(msg)
    return App("pgflow")


def _find(spec: str) -> App:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    name, _, attribute = spec.partition(":")
    if attribute:
        return _named(_imported(name, spec), attribute)
    parent, _, last = name.rpartition(".")
    if parent and not _exists(name):
        return _named(_imported(parent, spec), last)
    return _only(_imported(name, spec))


def _exists(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except Exception:  # noqa: BLE001 - importing its parent failed, which the import that follows explains
        return False


def _imported(name: str, spec: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            msg = f"-A {spec}: there is no module {error.name} in {Path.cwd()} or on the path: run in its directory"
            raise AppNotFoundError(msg) from error
        raise _broken(name, spec, error) from error
    except Exception as error:
        raise _broken(name, spec, error) from error


def _broken(name: str, spec: str, error: Exception) -> AppNotFoundError:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return AppNotFoundError(
        f"-A {spec}: importing {name} raised {type(error).__name__}: {error} ({last.filename}:{last.lineno}); "
        "see it with --debug"
    )


def _named(module: ModuleType, attribute: str) -> App:
    found: Any = module
    for part in attribute.split("."):
        found = getattr(found, part, None)
    if isinstance(found, App):
        return found
    what = "is not there" if found is None else f"is a {type(found).__name__}, not a pgflow App"
    msg = f"-A {module.__name__}:{attribute}: {attribute} {what}; {_has(module)}"
    raise AppNotFoundError(msg)


def _only(module: ModuleType) -> App:
    apps = {id(value): value for value in vars(module).values() if isinstance(value, App)}
    if len(apps) == 1:
        return next(iter(apps.values()))
    named = vars(module).get("app")
    if isinstance(named, App):
        return named
    msg = f"-A {module.__name__}: say which app, as module:app; {_has(module)}"
    raise AppNotFoundError(msg)


def _has(module: ModuleType) -> str:
    apps = [name for name, value in vars(module).items() if isinstance(value, App)]
    if apps:
        return f"its apps are: {', '.join(apps)}"
    names = [name for name in vars(module) if not name.startswith("_")][:20]
    return f"it has no App, only: {', '.join(names)}" if names else "the module is empty"
