"""Watches the hooks of an app under test: which were called, in which plugin and with what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from pgflow.hooks import POLICIES, Plugins

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgflow.app import App


@dataclass(frozen=True, slots=True)
class Called:
    """One call of a plugin's implementation of a hook, with all of the hook's arguments."""

    hook: str
    plugin: str
    given: Mapping[str, Any]


_CALLS: WeakKeyDictionary[App, list[Called]] = WeakKeyDictionary()


def watch(app: App) -> list[Called]:
    """Note every call of the app's hooks from now on; gives the list they are noted in."""
    calls = _CALLS.setdefault(app, [])
    app.house.load = partial(_Watched, calls)
    app.house.forget()
    return calls


def hook_calls(app: App, hook: str, *, plugin: str | None = None) -> list[Called]:
    """Give the calls of a hook so far, of one plugin where it is named."""
    if hook not in POLICIES:
        msg = f"{hook} is no hook: see `pgflow plugins --hooks`"
        raise AssertionError(msg)
    if app not in _CALLS:
        msg = f"the hooks of {app.name} are not watched: make it with the fixture plugin_app"
        raise AssertionError(msg)
    return [call for call in _CALLS[app] if call.hook == hook and plugin in (None, call.plugin)]


def assert_hook_called(
    app: App, hook: str, /, *, plugin: str | None = None, times: int | None = None, **given: object
) -> Called:
    """Assert that a hook was called: at least once, or `times` exactly, with these arguments among its own.

    Gives the last such call. `plugin` names the plugin that was called. Raises `AssertionError` saying what was.
    """
    made = hook_calls(app, hook, plugin=plugin)
    fitting = [call for call in made if all(call.given.get(name) == value for name, value in given.items())]
    if times == len(fitting) or (times is None and fitting):
        return fitting[-1] if fitting else Called(hook, plugin or "", given)
    wanted = "at least once" if times is None else f"{times} times"
    others = sorted({call.hook for call in _CALLS[app]} - {hook})
    msg = (
        f"{hook} was to be called {wanted}{f' with {given}' if given else ''} and was {len(fitting)} times; "
        f"its calls: {[(c.plugin, dict(c.given)) for c in made]}; other hooks called: {', '.join(others) or 'none'}"
    )
    raise AssertionError(msg)


class _Watched(Plugins):
    def __init__(self, calls: list[Called], *given: Any) -> None:
        self._calls = calls
        super().__init__(*given)

    def implementations(self, hook: str) -> list[tuple[str, Any]]:
        return [(name, self._noted(hook, name, call)) for name, call in super().implementations(hook)]

    def _noted(self, hook: str, plugin: str, call: Any) -> Any:
        def noted(**given: Any) -> Any:
            self._calls.append(Called(hook, plugin, given))
            return call(**given)

        return noted
