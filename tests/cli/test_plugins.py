"""`pgflow plugins` and --no-plugin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from cli_runs import Command


def named(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    return next(item for item in items if item["name"] == name)


def test_plugins_are_listed_for_people_and_programs(pgflow: Command) -> None:
    assert "guardrails" in pgflow("plugins").stdout
    guardrails = named(pgflow.json("plugins")["items"], "guardrails")
    assert (guardrails["state"], guardrails["distribution"]) == ("on", "pgflow")
    assert "pgflow_before_enqueue" in guardrails["hooks"]
    assert guardrails["version"]


@pytest.mark.parametrize("words", [["--no-plugin", "guardrails", "plugins"], ["plugins", "--no-plugin=guardrails"]])
def test_a_plugin_is_switched_off_from_anywhere_on_the_line(pgflow: Command, words: list[str]) -> None:
    guardrails = named(pgflow.json(*words)["items"], "guardrails")
    assert guardrails["state"] == "off"
    assert "--no-plugin" in guardrails["why"]


def test_the_hooks_are_listed_with_what_follows_where_they_fail(pgflow: Command) -> None:
    items = pgflow.json("plugins", "--hooks")["items"]
    assert {item["fails"] for item in items} == {"start", "closed", "open"}
    assert named(items, "pgflow_before_enqueue")["fails"] == "closed"
    assert "pgflow_before_enqueue" in pgflow("plugins", "--hooks").stdout
