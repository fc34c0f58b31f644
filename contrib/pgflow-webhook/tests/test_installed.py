"""As it is installed: found by its entry point, listed, and with commands of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points

import pytest


def pgflow(*words: str, url: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pgflow", *words], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PGFLOW_DATABASE_URL": url},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def url(pgflow_database_url: str) -> str:
    """The test's database, with the plugin's tables."""
    pgflow("migrate", url=pgflow_database_url)
    return pgflow_database_url


def test_it_is_found_by_its_entry_point() -> None:
    assert "webhook" in {entry.name for entry in entry_points(group="pgflow")}


def test_it_is_listed_and_its_commands_work(url: str) -> None:
    items = json.loads(pgflow("plugins", "--json", url=url))["items"]
    [webhook] = [item for item in items if item["name"] == "webhook"]
    assert (webhook["state"], webhook["distribution"]) == ("on", "pgflow-webhook")
    assert "it signs with whsec_" in pgflow("webhooks", "add", "shop", "https://example.com/", url=url)
    assert "https://example.com/" in pgflow("webhooks", "list", url=url)
    assert json.loads(pgflow("webhooks", "list", "--json", url=url))["items"][0]["name"] == "shop"
    assert pgflow("webhooks", "test", "shop", url=url).strip()
    assert pgflow("webhooks", "remove", "shop", url=url) == "shop is removed\n"
