"""Finds and registers plugins one by one, so that a broken one is put in quarantine instead of stopping every start."""

from __future__ import annotations

import inspect
import logging
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

import pluggy

from pgflow.errors import PluginError, SettingsError
from pgflow.hooks.specs import GROUP, POLICIES, Specs
from pgflow.hooks.values import PluginInfo

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

logger = logging.getLogger("pgflow")

OFF: Final = "switched off by PGFLOW_DISABLED_PLUGINS or --no-plugin"


@dataclass(frozen=True, slots=True)
class Found:
    """A plugin that is installed: its name, where it comes from, and the entry point or the object itself."""

    name: str
    entry: EntryPoint | None = None
    given: object | None = None
    version: str | None = None
    distribution: str | None = None

    def make(self) -> object:
        """Give the plugin: an instance where the entry point names a class. Raises whatever its import raises."""
        if self.entry is None:
            return self.given
        loaded = self.entry.load()
        return loaded() if isinstance(loaded, type) else loaded


class Plugins:
    """The plugins of one app, registered with a manager of its own, and what became of each."""

    def __init__(self, given: Sequence[object], disabled: Collection[str], required: Collection[str]) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(Specs)
        self.listed: list[PluginInfo] = []
        for found in installed(given):
            self.listed.append(self._off(found) if found.name in disabled else self._registered(found))
        _require(required, {info.name: info for info in self.listed})

    def named(self, name: str) -> object | None:
        """The plugin of a name, where it is on."""
        found: object | None = self.manager.get_plugin(name)
        return found

    def implementations(self, hook: str) -> list[tuple[str, Any]]:
        """The implementations of a hook with their plugins' names, in the order in which pluggy calls them."""
        implementations = reversed(getattr(self.manager.hook, hook).get_hookimpls())
        return [(i.plugin_name, _calling(i)) for i in implementations]

    def _off(self, found: Found) -> PluginInfo:
        return PluginInfo(found.name, found.version, found.distribution, "off", why=OFF)

    def _registered(self, found: Found) -> PluginInfo:
        try:
            plugin = found.make()
            hooks = _hooks_of(found.name, plugin)
            self.manager.register(plugin, found.name)
        except SettingsError:
            raise
        except Exception as error:  # a plugin's import may raise anything
            if found.entry is None:
                msg = f"plugin {found.name}: {error}"
                raise PluginError(msg) from error
            why = f"{type(error).__name__}: {error}" if not isinstance(error, PluginError) else str(error)
            _tell_once(found.name, why)
            logger.debug("plugin %s", found.name, exc_info=error)
            return PluginInfo(found.name, found.version, found.distribution, "quarantined", why=why)
        return PluginInfo(found.name, found.version, found.distribution, "on", hooks)


def _hooks_of(name: str, plugin: object) -> tuple[str, ...]:
    # what a class implements is looked at once a process: it takes milliseconds
    try:
        kind: Any = type(plugin)
        return _checked(kind) if not inspect.ismodule(plugin) else tuple(_checked_one_by_one(plugin))
    except PluginError as error:
        msg = f"{name} {error}"
        raise PluginError(msg) from None


@cache
def _checked(kind: Any) -> tuple[str, ...]:
    return tuple(_checked_one_by_one(kind))


def _checked_one_by_one(plugin: object) -> Iterator[str]:
    manager = pluggy.PluginManager(GROUP)
    for attribute in dir(plugin):
        if attribute.startswith("__") or manager.parse_hookimpl_opts(plugin, attribute) is None:
            continue
        if attribute not in POLICIES:
            msg = f"implements {attribute}, which is no hook of this pgflow: see `pgflow plugins --hooks`"
            raise PluginError(msg)
        function = inspect.unwrap(getattr(plugin, attribute))
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            remedy = "hooks are plain ones: return what awaits, or enqueue a job"
            msg = f"implements {attribute} as an async function; {remedy}"
            raise PluginError(msg)
        yield attribute


def installed(given: Sequence[object]) -> list[Found]:
    """List the plugins of the installed distributions and those given to the app, which take a namesake's place."""
    own = [Found(name_of(plugin), given=plugin, version=_text(getattr(plugin, "version", None))) for plugin in given]
    taken = {found.name for found in own} | {_value_of(plugin) for plugin in given}
    names = [found.name for found in own]
    for name in names:
        if names.count(name) > 1:
            msg = f"two plugins given to the app are called {name}: give one another `name`"
            raise PluginError(msg)
    return [f for f in entry_point_plugins() if not {f.name, f.entry.value if f.entry else ""} & taken] + own


@cache
def entry_point_plugins() -> tuple[Found, ...]:
    """The plugins that installed distributions name, in the order of their names, each name once."""
    found = {entry.name: entry for entry in entry_points(group=GROUP)}
    abouts = {id(entry.dist): (entry.dist.version, entry.dist.name) for entry in found.values() if entry.dist}
    return tuple(Found(name, found[name], None, *abouts.get(id(found[name].dist), ())) for name in sorted(found))


def option_types(given: Sequence[object]) -> Mapping[str, Any]:
    """The keywords that plugins add to `@app.task`, those of plugins that are switched off too.

    Raises `PluginError` naming the plugin where it cannot say; one that cannot be loaded adds none.
    """
    options: dict[str, Any] = {}
    for found in installed(given):
        try:
            plugin = found.make()
        except Exception:  # noqa: BLE001, S112 - its quarantine is told at start
            continue
        tell = getattr(plugin, "pgflow_task_options", None)
        if tell is not None:
            try:
                options.update(tell())
            except Exception as error:
                msg = f"plugin {found.name}: pgflow_task_options failed: {type(error).__name__}: {error}"
                raise PluginError(msg) from error
    return options


def name_of(plugin: object) -> str:
    """Name a plugin that is given to an app: its `name`, else its class's or module's."""
    said = getattr(plugin, "name", None)
    if isinstance(said, str) and said:
        return said
    own = getattr(plugin, "__name__", None) or type(plugin).__name__
    return str(own).rpartition(".")[2].lower()


@cache
def _tell_once(name: str, why: str) -> None:
    # a command loads plugins for their commands, and again for the app it opens
    logger.error("plugin %s is left out: %s; see `pgflow plugins`", name, why)


def _text(said: object) -> str | None:
    return said if isinstance(said, str) else None


def _value_of(plugin: object) -> str:
    return f"{type(plugin).__module__}:{type(plugin).__qualname__}"


def _calling(implementation: Any) -> Any:
    # what is called takes all of the spec's arguments by name; an implementation names only those it wants
    function, names = implementation.function, implementation.argnames
    return lambda **given: function(*[given[name] for name in names])


def _require(required: Collection[str], listed: Mapping[str, PluginInfo]) -> None:
    for name in required:
        info = listed.get(name)
        if info is None:
            msg = f"plugin {name} is required and not installed; there are: {', '.join(sorted(listed)) or 'none'}"
            raise PluginError(msg)
        if info.state != "on":
            msg = f"plugin {name} is required and {info.state}: {info.why}"
            raise PluginError(msg)
