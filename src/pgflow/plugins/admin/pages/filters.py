"""The filters of lists of jobs: as fields of a form, as chips that can be taken away, and as bodies of the API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pgflow.plugins.admin.pages.desk import Desk
    from pgflow.plugins.admin.pages.forms import Form

ARGUMENT: Final = "arg."
FREE: Final = ("arg_path", "arg_value")
OF_LIST: Final = ("limit", "cursor")
PREFIX: Final = "f."
"""What the filters of a list are called in the form of a bulk action on it."""
JOB_ID: Final = re.compile(r"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the form: its parameter, what it is called, and what may be written there."""

    name: str
    label: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Chip:
    """A filter that is set, and the address of the list without it."""

    label: str
    value: str
    without: str


FIELDS: Final = (
    Field("queue", "Queue"),
    Field("job_type", "Task"),
    Field("error_code", "Error code", "TIMEOUT"),
    Field("worker", "Worker"),
    Field("tag", "Tag"),
    Field("dataset", "Dataset", "20261124"),
    Field("created_after", "Created from", "2026-11-24T18:00:00Z"),
    Field("created_before", "Created before", "2026-11-24T19:00:00Z"),
)
OF_DEAD: Final = (Field("reason_code", "Reason"), Field("fingerprint", "Error group"))
OF_DECISIONS: Final = (Field("queue", "Queue"), Field("reason_code", "Reason", "QUEUE_PAUSED"))
OF_AUDIT: Final = (Field("actor", "Who", "api-token"), Field("action", "What", "cancel_job"))
LABELS: Final = {field.name: field.label for field in (*FIELDS, *OF_DEAD, *OF_AUDIT)} | {
    "q": "Error text",
    "state": "State",
}


def chips(desk: Desk, *but: str) -> list[Chip]:
    """Give the filters that are set."""
    return [
        Chip(_label(name), value, desk.here(**{name: None}))
        for name, value in desk.params
        if name not in (*OF_LIST, *but)
    ]


def kept(desk: Desk, *but: str) -> list[tuple[str, str]]:
    """Give the parameters a form has to carry on, without those it has fields for."""
    own = {field.name for field in FIELDS} | {"q", *OF_LIST, *FREE, *but}
    return [(name, value) for name, value in desk.params if name not in own]


def joined_argument(desk: Desk) -> str | None:
    """Give the address with the argument's two fields made the one parameter they stand for; None without them."""
    path, value = (desk.param(name) for name in FREE)
    if not path:
        return desk.here(**dict.fromkeys(FREE)).removeprefix(desk.base) if value else None
    return desk.here(**dict.fromkeys(FREE), **{f"{ARGUMENT}{path}": value}).removeprefix(desk.base)


def body_of(pairs: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Give parameters as the filter in a body of the API."""
    body: dict[str, Any] = {}
    for name, value in pairs:
        if name.startswith(ARGUMENT):
            body.setdefault("arguments", {})[name.removeprefix(ARGUMENT)] = value
        elif name not in OF_LIST and value:
            body[name] = value
    return body


def pairs_of(form: Form) -> list[tuple[str, str]]:
    """Give the filters that the form of a bulk action carries."""
    return [(name.removeprefix(PREFIX), value) for name, value in form.filled() if name.startswith(PREFIX)]


def _label(name: str) -> str:
    return f"Argument {name.removeprefix(ARGUMENT)}" if name.startswith(ARGUMENT) else LABELS.get(name, name)
