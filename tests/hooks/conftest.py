"""An app with a plugin, on a database of the test's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from pgflow import App

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def app_with(migrated_url: str) -> Iterator[Callable[..., App]]:
    """Make apps with plugins of the test's, on its database and with quick times."""
    made: list[App] = []

    def make(*plugins: object, **settings: Any) -> App:
        quick = {
            "poll_interval_ms": 100,
            "reap_interval_ms": 100,
            "shutdown_grace_seconds": 5,
            "dataset_bucket": "none",
        }
        made.append(App("tests", dsn=migrated_url, plugins=plugins, **{**quick, **settings}))
        return made[-1]

    yield make
    for app in made:
        app.close()
