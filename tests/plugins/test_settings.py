"""The settings of plugins: documented, described, and refused by name where they cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field

from pgflow import PluginSettings, SettingsError
from plugin_settings import plugin_settings

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "settings.md").read_text("utf-8")


class Mine(PluginSettings, prefix="PGFLOW_MINE_"):
    url: str = Field("", description="where to send")
    times: int = Field(3, ge=1, description="how often, at least once")
    by_queue: dict[str, int] = Field(default_factory=dict, description="by queue")


@pytest.mark.parametrize("kind", plugin_settings(), ids=lambda kind: kind.__name__)
def test_every_setting_of_a_plugin_is_documented(kind: type[PluginSettings]) -> None:
    for field, about in kind.model_fields.items():
        assert about.description
        assert f"`{kind.variable(field)}`" in PAGE


def test_a_keyword_outranks_the_environment_and_none_leaves_it_to_that(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_MINE_URL", "https://env")
    monkeypatch.setenv("PGFLOW_MINE_TIMES", "5")
    settings = Mine.read(url="https://keyword", times=None)
    assert (settings.url, settings.times) == ("https://keyword", 5)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("PGFLOW_MINE_TIMES", "many", r"PGFLOW_MINE_TIMES: .*got 'many' \(how often, at least once\)"),
        ("PGFLOW_MINE_TIMES", "0", "PGFLOW_MINE_TIMES: .*greater than or equal to 1"),
        ("PGFLOW_MINE_ULR", "x", "PGFLOW_MINE_ULR is an unknown variable: did you mean PGFLOW_MINE_URL"),
        ("PGFLOW_MINE_BY_QUEUE", "{", r"PGFLOW_MINE_\*: .*by_queue.*give it as JSON"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=complaint):
        Mine.read()


def test_an_unknown_keyword_is_refused_with_the_nearest_known() -> None:
    with pytest.raises(SettingsError, match="tmes is an unknown keyword: did you mean times"):
        Mine.read(tmes=4)
