"""What commands are made of, pgflow's own and plugins': the app they speak of, their shared options, what they print.

Names are looked up on first use: every command's module is imported to make `pgflow --help`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pgflow.commands.load import opened
    from pgflow.commands.options import App, Dsn, JobId, JobIds, Json, Limit, Queue, TaskName, Yes
    from pgflow.commands.output import ago, as_dict, say, say_items, say_json, seconds, short, table

__all__ = [
    "App",
    "Dsn",
    "JobId",
    "JobIds",
    "Json",
    "Limit",
    "Queue",
    "TaskName",
    "Yes",
    "ago",
    "as_dict",
    "opened",
    "say",
    "say_items",
    "say_json",
    "seconds",
    "short",
    "table",
]

_HOMES: Final = {
    "load": ("opened",),
    "options": ("App", "Dsn", "JobId", "JobIds", "Json", "Limit", "Queue", "TaskName", "Yes"),
    "output": ("ago", "as_dict", "say", "say_items", "say_json", "seconds", "short", "table"),
}
_HOME_OF: Final = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a name's module when it is first asked for."""
    if name not in _HOME_OF:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOME_OF[name]}"), name)
