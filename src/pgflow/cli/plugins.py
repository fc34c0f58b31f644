# ruff: noqa: PLC0415 - options are parameters, and imports wait for the command to run
"""`pgflow plugins`: what is installed, what it hooks into, and why something is off."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated

import typer

from pgflow.commands import options as shared
from pgflow.commands.output import say_items, say_json, table

if TYPE_CHECKING:
    from pgflow.hooks import PluginInfo


def plugins(
    hooks: Annotated[bool, typer.Option("--hooks", help="List the hooks there are, instead of the plugins.")] = False,
    app: shared.App = None,
    dsn: shared.Dsn = None,
    as_json: shared.Json = False,
) -> None:
    """List the plugins: on, off or quarantined, and why; of an app, those it was given too."""
    if hooks:
        _list_hooks(as_json=as_json)
        return
    from pgflow.commands import load

    with load.opened(app, dsn) as house:
        found = house.plugins
    if as_json:
        say_items(found)
        return
    rows = [(p.name, p.state, p.version or "", p.distribution or "given to the app", _says(p)) for p in found]
    table(("plugin", "state", "version", "from", "hooks"), rows, empty="no plugins")


def _says(plugin: PluginInfo) -> str:
    return plugin.why or ", ".join(hook.removeprefix("pgflow_") for hook in plugin.hooks)


def _list_hooks(*, as_json: bool) -> None:
    from pgflow.hooks import POLICIES, Specs

    found = [(name, policy.value, inspect.getdoc(getattr(Specs, name)) or "") for name, policy in POLICIES.items()]
    if as_json:
        say_json({"items": [{"name": name, "fails": policy, "about": about} for name, policy, about in found]})
        return
    table(("hook", "fails", "task"), [(n, p, about.splitlines()[0]) for n, p, about in found], empty="no hooks")
