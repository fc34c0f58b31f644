"""What JSON does not know, one level plainer: the types that go into arguments and results, and no others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from types import FunctionType
from typing import Final
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

_BYTES: Final = "pass text such as base64.b64encode(data).decode(), or where the bytes are kept"
_REMEDIES: Final[tuple[tuple[type, str], ...]] = (
    (bytes, _BYTES),
    (bytearray, _BYTES),
    (memoryview, _BYTES),
    (Iterator, "pass a list"),
    (type, "pass its name"),
    (FunctionType, "pass its name"),
)
_REMEDY: Final = "pass what describes it: text, numbers, lists, dicts, a dataclass or a pydantic model"


def plain(value: object) -> object:
    """Return a value one level plainer, nearer to JSON.

    A set becomes a list in the order of its members' JSON text, so that equal sets give equal texts.
    Raises `TypeError` with the remedy where the type has no place in JSON.
    """
    simple = _SIMPLE.get(type(value))
    if simple is not None:
        return simple(value)
    for kind, make in _KINDS:
        if isinstance(value, kind):
            return make(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
    remedy = next((words for kind, words in _REMEDIES if isinstance(value, kind)), _REMEDY)
    msg = f"is of type {type(value).__qualname__}, which JSON cannot hold: {remedy}"
    raise TypeError(msg)


def _decimal(value: Decimal) -> str:
    if not value.is_finite():
        msg = f"is Decimal({str(value)!r}), which JSON cannot hold: pass None or a finite number"
        raise ValueError(msg)
    return str(value)


def _members(value: frozenset[object]) -> list[object]:
    return sorted(value, key=_order)


def _order(member: object) -> str:
    return json.dumps(member, default=plain)


def _model(value: BaseModel) -> object:
    # by field name and without computed fields: the decoder reads names as well as aliases
    return value.model_dump(mode="json", by_alias=False, round_trip=True)


_SIMPLE: Final[dict[type, Callable[..., object]]] = {
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: to_jsonable_python,
    UUID: str,
    Decimal: _decimal,
    set: _members,
    frozenset: _members,
}
_KINDS: Final[tuple[tuple[type, Callable[..., object]], ...]] = (
    (Enum, lambda value: value.value),
    (BaseModel, _model),
    (Mapping, dict),
    *_SIMPLE.items(),
)
