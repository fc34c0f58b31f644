"""The house rules of one app: its plugins and middleware, and what they make of each task."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, Protocol

from pgflow.errors import PluginError
from pgflow.hooks import Hooks, Plugins, option_types
from pgflow.task import Task
from pgflow.task.middleware import Wiring, as_wrapper, fits
from pgflow.task.options import OWN_WORDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from pgflow.settings import Settings


class Owner(Protocol):
    """The app."""

    @property
    def settings(self) -> Settings:
        """What is set."""
        ...

    @property
    def tasks(self) -> Mapping[str, Task[..., Any]]:
        """The tasks declared so far."""
        ...


class House:
    """Loads and configures plugins on first need, and wires each task to what they say."""

    def __init__(self, app: Owner, plugins: Sequence[object]) -> None:
        self._app = app
        self._given = list(plugins)
        self._middleware: list[Callable[..., Any]] = []
        self.load: Callable[..., Plugins] = Plugins
        self._hooks: Hooks | None = None
        self._lock = threading.RLock()

    @property
    def hooks(self) -> Hooks:
        """The hooks, every task wired to them. Raises `PluginError`, or what a plugin's own configuration raises."""
        if self._hooks is not None:
            return self._hooks  # asked for by every enqueue, which need not wait for a lock
        with self._lock:
            if self._hooks is None:
                settings = self._app.settings
                hooks = Hooks(self.load(self._given, settings.disabled_plugins, settings.required_plugins))
                hooks.configure(self._app)
                for task in self._app.tasks.values():
                    self._wire(task, hooks)
                self._hooks = hooks
            return self._hooks

    def use(self, plugin: object) -> None:
        """Add a plugin. Raises `PluginError` where hooks were called already."""
        if self._hooks is not None:
            msg = f"{plugin!r} comes too late: add plugins before the first enqueue, or give them to App(plugins=[…])"
            raise PluginError(msg)
        self._given.append(plugin)

    def wrap(self, function: Callable[..., Any]) -> None:
        """Add a middleware, the innermost so far."""
        as_wrapper(function, is_async=True)
        self._middleware.append(function)
        if self._hooks is not None:
            for task in self._app.tasks.values():
                task.wiring = self._wiring(task, self._hooks)

    def forget(self) -> None:
        """Load and configure the plugins anew on next need."""
        self._hooks = None

    def options_for(self, keywords: Mapping[str, Any]) -> Mapping[str, Any]:
        """The types of the options that plugins add, asked for only where a keyword is not pgflow's own."""
        return option_types(self._given) if keywords.keys() - OWN_WORDS else {}

    def declared(self, task: Task[..., Any]) -> None:
        """Meet a task that was declared after the plugins were loaded."""
        if self._hooks is not None:
            self._wire(task, self._hooks)

    def _wire(self, task: Task[..., Any], hooks: Hooks) -> None:
        hooks.task_registered(task)
        task.wiring = self._wiring(task, hooks)

    def _wiring(self, task: Task[..., Any], hooks: Hooks) -> Wiring:
        is_async = task.declared.executor == "async"
        given = [function for _, function in hooks.middleware(task)]
        own = [function for function in self._middleware if fits(function, is_async=is_async)]
        wrappers = tuple(as_wrapper(function, is_async=is_async) for function in (*given, *own))
        policy = hooks.retry_policy(task) or task.declared.retry_policy
        judge = hooks.attempt_failed if hooks.has("pgflow_attempt_failed") else None
        return Wiring(policy, wrappers, judge)
