"""JSON as a tree to look at, and two of them compared line by line."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import TYPE_CHECKING, Any, Final

from pgflow.telling.words import pretty

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_DEPTH: Final = 12
MOST_CHILDREN: Final = 200
MASK: Final = "***"
KINDS: Final = ((bool, "word"), (int, "number"), (float, "number"), (str, "text"), (type(None), "word"))


@dataclass(frozen=True, slots=True)
class Node:
    """One value. `kind` is list, object, text, number, word or masked; `left_out` is how many children are not here."""

    key: str | None
    kind: str
    text: str = ""
    children: list[Node] = field(default_factory=list)
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class Row:
    """A line of two texts compared: `same`, `gone` or `new`."""

    kind: str
    text: str


def tree(value: Any, key: str | None = None, depth: int = 0) -> Node:
    """Make a tree of a JSON value; what is very deep becomes one line, and of many only so many are shown."""
    if value == MASK:
        return Node(key, "masked", MASK)
    if depth >= MOST_DEPTH and isinstance(value, dict | list) and value:
        return Node(key, "text", json.dumps(value, ensure_ascii=False, default=str))
    if isinstance(value, dict):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    else:
        kind = next((name for known, name in KINDS if isinstance(value, known)), "text")
        return Node(key, kind, json.dumps(value, ensure_ascii=False, default=str))
    children = [tree(one, str(name), depth + 1) for name, one in pairs[:MOST_CHILDREN]]
    left_out = max(len(pairs) - MOST_CHILDREN, 0)
    return Node(key, "object" if isinstance(value, dict) else "list", "", children, left_out)


def call(args: Any, kwargs: Any) -> Any:
    """Put a job's arguments together: those by place, those by name, or both under these words."""
    if args and kwargs:
        return {"args": args, "kwargs": kwargs}
    return args or kwargs


def is_masked(value: Any) -> bool:
    """Say whether something in a JSON value is masked."""
    return MASK in json.dumps(value, ensure_ascii=False, default=str)


def compared(old: Any, new: Any) -> list[Row]:
    """Compare two JSON values as people would read them."""
    return list(_rows(pretty(old).splitlines(), pretty(new).splitlines()))


def _rows(old: list[str], new: list[str]) -> Iterator[Row]:
    for kind, first, beyond, new_first, new_beyond in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if kind == "equal":
            yield from (Row("same", line) for line in old[first:beyond])
        else:
            yield from (Row("gone", line) for line in old[first:beyond])
            yield from (Row("new", line) for line in new[new_first:new_beyond])
