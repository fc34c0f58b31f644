"""The hooks a plugin may implement, in the order a job meets them, and the plugins of one app."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from pgflow.model import NewJob

logger = logging.getLogger("pgflow")

GROUP: Final = "pgflow"
hookspec: Final = pluggy.HookspecMarker(GROUP)
hookimpl: Final = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True, slots=True)
class Enqueue:
    """One enqueue call, as a hook sees it: `joined` where it rides in a transaction of the caller's."""

    app: Any
    joined: bool


class Specs:
    """What each hook is for, when it is called and what follows where it fails."""

    @hookspec
    def pgflow_configure(self, app: Any) -> None:
        """Get ready for an app: called once, before its first enqueue or claim. A failure fails the start."""

    @hookspec
    def pgflow_before_enqueue(self, jobs: Sequence[NewJob], enqueue: Enqueue) -> None:
        """Judge the jobs of one enqueue call, bulk, replay and HTTP included; raise `JobRejected` to refuse all.

        Any other failure refuses them too: nothing passes a guardrail that cannot judge.
        """


class Hooks:
    """The plugins of one app, their hooks resolved to tuples: an empty one costs an `if`."""

    def __init__(self, app: object, disabled: Collection[str] = ()) -> None:
        self.manager = pluggy.PluginManager(GROUP)
        self.manager.add_hookspecs(Specs)
        for name, plugin in _installed(disabled):
            self.manager.register(plugin, name)
        self.manager.check_pending()
        self.manager.hook.pgflow_configure(app=app)
        # pluggy calls the last registered first, and so does the tuple
        implementations = reversed(self.manager.hook.pgflow_before_enqueue.get_hookimpls())
        self._judges = tuple((i.function, i.argnames) for i in implementations)

    def before_enqueue(self, jobs: Sequence[NewJob], enqueue: Enqueue) -> None:
        """Let every guardrail judge. Raises what it raises, which refuses the jobs."""
        given = {"jobs": jobs, "enqueue": enqueue}
        for judge, names in self._judges:
            judge(*[given[name] for name in names])


def _installed(disabled: Collection[str]) -> Iterator[tuple[str, object]]:
    # one by one, since a plugin that cannot be loaded must not stop every start
    for entry in entry_points(group=GROUP):
        if entry.name in disabled:
            continue
        try:
            loaded = entry.load()
            yield entry.name, loaded() if isinstance(loaded, type) else loaded
        except Exception:
            logger.exception("plugin %s of %s cannot be loaded and is left out", entry.name, entry.value)
