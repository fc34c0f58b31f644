"""The settings of the built-in plugins."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pgflow.plugins
from pgflow import PluginSettings

ROOT = Path(pgflow.plugins.__file__).parent


def plugin_settings() -> list[type[PluginSettings]]:
    """Find the models of settings in every module of the plugins."""
    for path in ROOT.rglob("*.py"):
        if "PluginSettings" in path.read_text("utf-8"):
            import_module(".".join(("pgflow.plugins", *path.relative_to(ROOT).with_suffix("").parts)))
    return [kind for kind in PluginSettings.__subclasses__() if kind.__module__.startswith("pgflow.plugins.")]
