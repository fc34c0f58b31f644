"""Every command, option and setting is in the reference."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from pgflow.cli import make
from pgflow.settings import Settings
from plugin_settings import plugin_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Walk a command and those under it."""
    yield path, command
    for name, under in getattr(command, "commands", {}).items():
        yield from commands(under, f"{path} {name}")


COMMANDS = dict(commands(typer.main.get_command(make()), "pgflow"))


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_is_documented_with_its_options(path: str) -> None:
    sections = (REFERENCE / "commands.md").read_text("utf-8").split("\n## ")
    section = next((text for text in sections if text.startswith(f"{path}\n")), None)
    assert section is not None, f"docs/reference/commands.md has no section '## {path}'"
    shared = sections[0]
    for parameter in COMMANDS[path].params:
        for word in parameter.opts:
            if word.startswith("--") and not getattr(parameter, "hidden", False):
                assert f"`{word}" in section + shared, f"{path} {word}"


@pytest.mark.parametrize("path", COMMANDS)
def test_every_command_and_option_says_what_it_does(path: str) -> None:
    assert COMMANDS[path].help
    for parameter in COMMANDS[path].params:
        assert getattr(parameter, "help", None), parameter.name


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    text = (REFERENCE / "settings.md").read_text("utf-8")
    assert f"`{Settings.variable(field)}`" in text


def test_the_reference_names_no_setting_that_is_not() -> None:
    text = (REFERENCE / "settings.md").read_text("utf-8")
    named = {row.split("`")[1] for row in text.splitlines() if row.startswith("| `")}
    of_plugins = {kind.variable(field) for kind in plugin_settings() for field in kind.model_fields}
    assert named <= of_plugins | {Settings.variable(field) for field in Settings.model_fields}
