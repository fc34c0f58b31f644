"""Apps with schedules, for the tests of cron; a test file of another plugin makes its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from cron_apps import make_app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow import App


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
