"""Apps for the tests of cron and of the guardrails, several files each; those of another plugin make their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cron_apps import make_app

from pgflow import App
from pgflow.plugins.guardrails import Guardrails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping


@pytest.fixture
def make(migrated_url: str) -> Iterator[Callable[..., App]]:
    made: list[App] = []

    def one(*plugins: object, **options: Any) -> App:
        made.append(make_app(migrated_url, *plugins, **options))
        return made[-1]

    yield one
    for app in made:
        app.close()


@pytest.fixture
def app(make: Callable[..., App]) -> App:
    return make()


@pytest.fixture
def make_guarded(migrated_url: str) -> Iterator[Callable[..., App]]:
    """Make apps on the test's database with guardrails of their own."""
    made: list[App] = []

    def make(guardrails: Mapping[str, Any] | None = None, *others: object, **settings: Any) -> App:
        plugins = [Guardrails(**(guardrails or {})), *others]
        made.append(App("tests", dsn=migrated_url, plugins=plugins, **settings))
        return made[-1]

    yield make
    for app in made:
        app.close()
