"""An app on a database of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pgflow import App

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def make_app(migrated_url: str) -> Iterator[Callable[..., App]]:
    """Make apps on the test's database; the last word on a setting is the test's."""
    made: list[App] = []

    def make(**settings: Any) -> App:
        quick = {
            "poll_interval_ms": 100,
            "reap_interval_ms": 100,
            "shutdown_grace_seconds": 5,
            "dataset_bucket": "none",
        }
        made.append(App("tests", dsn=migrated_url, **{**quick, **settings}))
        return made[-1]

    yield make
    for app in made:
        app.close()


@pytest.fixture
def app(make_app: Callable[..., App]) -> App:
    """An app with quick settings."""
    return make_app()
