"""Help for testing code that enqueues and runs jobs: drain a queue, capture enqueues, run jobs inline.

The names are looked up on first use: pytest loads the plugin beside this file in every project of an
environment, and must not pay there for what only some tests use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pgflow.testing.capture import Captured, Captures, captured
    from pgflow.testing.databases import use_database
    from pgflow.testing.draining import Counts, adrain, drain
    from pgflow.testing.line import Line, inline
    from pgflow.testing.watching import Called, assert_hook_called, hook_calls

__all__ = [
    "Called",
    "Captured",
    "Captures",
    "Counts",
    "Line",
    "adrain",
    "assert_hook_called",
    "captured",
    "drain",
    "hook_calls",
    "inline",
    "use_database",
]

_HOMES: Final = ("capture", "databases", "draining", "line", "watching")


def __getattr__(name: str) -> Any:
    """Import a public name's module when it is first asked for."""
    if name in __all__:
        for home in _HOMES:
            module = import_module(f"{__name__}.{home}")
            if getattr(vars(module).get(name), "__module__", None) == module.__name__:
                return vars(module)[name]
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
