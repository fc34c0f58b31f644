"""Reads JSON from a stranger: bounded in depth, nodes and numbers, and nothing that PostgreSQL or we would read twice.

Raises `Problem` with a stable code for each thing refused.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, Final, NoReturn

from pgflow.admin import Problem

MOST_DEPTH: Final = 64
MOST_NODES: Final = 10_000
MOST_DIGITS: Final = 40
MOST_SHOWN: Final = 60
# what stands between the values of a text, its strings taken whole; nothing here can be matched in two ways
TOKENS: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|\[\s*+\]|\{\s*+\}|[\[\]{},]', re.DOTALL)
# a valid text has at most two strings, an opening, a closing and a comma for each node
MOST_TOKENS: Final = 5 * MOST_NODES
SURROGATES: Final = re.compile("[\ud800-\udfff]")


def parse(raw: bytes) -> Any:
    """Read one JSON document. Raises `Problem`, 400, for anything else."""
    text = _text(raw)
    _measure(text)
    try:
        value = json.loads(
            text, object_pairs_hook=_members, parse_int=_integer, parse_float=_real, parse_constant=_no_number
        )
    except json.JSONDecodeError as error:
        detail = f"the body is not JSON: {error.msg} at character {error.pos}"
        raise Problem(400, "MALFORMED_JSON", detail) from None
    if "\\u" in text:
        _check_strings(value)
    return value


def _text(raw: bytes) -> str:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"the body is not UTF-8 at byte {error.start}"
        raise Problem(400, "BAD_TEXT", detail) from None
    if text.startswith("\ufeff"):
        raise Problem(400, "BAD_TEXT", "the body begins with a byte order mark: send UTF-8 without one")
    return text


def _measure(text: str) -> None:
    depth, nodes = 0, 1
    for count, found in enumerate(TOKENS.finditer(text)):
        token = found[0]
        first = token[0]
        if first == "," or token in ("[", "{"):
            nodes += 1
        if token in ("[", "{"):
            depth += 1
        elif token in ("]", "}"):
            depth -= 1
        if depth + (first in "[{" and len(token) > 1) > MOST_DEPTH:
            raise Problem(400, "TOO_DEEP", f"the body is nested deeper than {MOST_DEPTH} levels")
        if nodes > MOST_NODES or count > MOST_TOKENS:
            raise Problem(400, "TOO_MANY_NODES", f"the body has more than {MOST_NODES} values")


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Problem(400, "DUPLICATE_KEY", f"the key {json.dumps(twice[:MOST_SHOWN])} stands twice in one object")
    return made


def _integer(literal: str) -> int:
    _check_length(literal)
    return int(literal)


def _real(literal: str) -> float:
    _check_length(literal)
    value = float(literal)
    if not math.isfinite(value):
        _no_number(literal)
    return value


def _check_length(literal: str) -> None:
    if len(literal) > MOST_DIGITS:
        detail = f"a number has {len(literal)} characters, over {MOST_DIGITS}: send it as a string"
        raise Problem(400, "BAD_NUMBER", detail)


def _no_number(literal: str) -> NoReturn:
    raise Problem(400, "BAD_NUMBER", f"{literal} is not a finite number: send it as a string or as null")


def _check_strings(value: Any) -> None:
    left = [value]
    while left:
        one = left.pop()
        if isinstance(one, str):
            _check_string(one)
        elif isinstance(one, dict):
            left.extend(one)
            left.extend(one.values())
        elif isinstance(one, list):
            left.extend(one)


def _check_string(text: str) -> None:
    if "\0" in text:
        raise Problem(400, "BAD_TEXT", "a string holds the character NUL, which PostgreSQL cannot keep")
    if SURROGATES.search(text):
        raise Problem(400, "BAD_TEXT", "a string holds half of a surrogate pair, which is no character")
