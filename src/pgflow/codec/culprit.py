"""The slow walk that names the value JSON cannot hold; run only after the fast way has failed or doubts."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import Any, Final, NoReturn

from pgflow.codec.plain import plain
from pgflow.errors import ArgumentError

LEVELS_MAX: Final = 64
DIGITS_MAX: Final = 40
_INTEGER_MAX: Final = 10**DIGITS_MAX - 1
_SURROGATES: Final = ("\ud800", "\udfff")


def refuse_culprit(value: object, path: str) -> None:
    """Raise `ArgumentError` for the first part of a value that cannot be stored; return where there is none."""
    _look(value, path, (), 0)


def _look(value: object, path: str, above: tuple[int, ...], levels: int) -> None:
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, str):
        _look_at_text(value, path, "")
    elif isinstance(value, int):
        if abs(value) > _INTEGER_MAX:
            _refuse(path, f"is an integer of more than {DIGITS_MAX} digits: pass it as text")
    elif isinstance(value, float):
        if not math.isfinite(value):
            _refuse(path, f"is {value!r}, which JSON cannot hold: pass None or a finite number")
    else:
        _look_inside(value, path, above, levels)


def _look_inside(value: object, path: str, above: tuple[int, ...], levels: int) -> None:
    if id(value) in above:
        _refuse(path, "contains itself: pass ids instead of references back")
    inside = (*above, id(value))
    level = value if isinstance(value, dict | list | tuple) else _plainer(value, path)
    if not isinstance(level, dict | list | tuple):
        _look(level, path, inside, levels)
        return
    if levels == LEVELS_MAX:
        _refuse(path, f"is nested more than {LEVELS_MAX} levels deep: pass it as a JSON text, or where it is kept")
    has_fields = isinstance(level, dict) and not isinstance(value, Mapping)
    for part, place in _fields(level, path) if has_fields else _parts(level, path):
        _look(part, place, inside, levels + 1)


def _fields(level: Any, path: str) -> Iterator[tuple[object, str]]:
    return ((part, f"{path}.{name}") for name, part in level.items())


def _parts(value: Any, path: str) -> Iterator[tuple[object, str]]:
    if not isinstance(value, dict):
        yield from ((part, f"{path}[{index}]") for index, part in enumerate(value))
        return
    for key, part in value.items():
        if not isinstance(key, str):
            _refuse(path, f"has the key {key!r} of type {type(key).__qualname__}: JSON keys are text, use str(key)")
        _look_at_text(key, path, "has a key that ")
        yield part, f"{path}[{_shown(key)}]"


def _plainer(value: object, path: str) -> object:
    try:
        return plain(value)
    except RecursionError:
        _refuse(path, "is nested too deeply, or contains itself")
    except Exception as error:  # noqa: BLE001 - a model's own serializer may raise anything
        words = str(error)
        _refuse(path, words if words.startswith("is ") else f"cannot be stored as JSON: {words}")


def _look_at_text(text: str, path: str, what: str) -> None:
    if "\0" in text:
        _refuse(path, f"{what}contains a NUL character, which PostgreSQL cannot hold: remove it")
    low, high = _SURROGATES
    if any(low <= letter <= high for letter in text):
        _refuse(path, f"{what}contains a lone surrogate, which is no character: decode it without surrogateescape")


def _shown(key: str) -> str:
    return json.dumps(key if len(key) <= DIGITS_MAX else key[:DIGITS_MAX] + "...")


def _refuse(path: str, why: str) -> NoReturn:
    msg = f"{path} {why}"
    raise ArgumentError(msg)
