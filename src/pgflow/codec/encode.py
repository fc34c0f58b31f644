"""Values to JSON text: the fast way in one pass of the C encoder, and the refusal of what cannot be stored."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_core import to_json

from pgflow.codec.culprit import DIGITS_MAX, LEVELS_MAX, refuse_culprit
from pgflow.codec.plain import plain
from pgflow.errors import ArgumentError

_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=plain).encode

_FLAT: Final = frozenset({int, str, bool, type(None)})
_TEXT: Final = frozenset({str})

# json writes the keys 1, 1.5, True and None as these strings instead of refusing them
_DOUBTFUL_KEY: Final = re.compile(r'"(?:-?[0-9]+(?:\.[0-9]+)?(?:e[-+]?[0-9]+)?|true|false|null)":')
_LONG_NUMBER: Final = re.compile(f"[0-9]{{{DIGITS_MAX + 1}}}")


def encode_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the two JSON texts a job is stored with: an array and an object, None where empty.

    Raises `ArgumentError` with the path to the first value that cannot be stored.
    """
    return _encode_args(args) if args else None, _encode_kwargs(kwargs) if kwargs else None


def _encode_args(args: Sequence[Any]) -> str:
    return (_encode_flat(args) if _FLAT.issuperset(map(type, args)) else None) or encode_value(args, "args")


def _encode_kwargs(kwargs: Mapping[str, Any]) -> str:
    is_flat = _FLAT.issuperset(map(type, kwargs.values())) and _TEXT.issuperset(map(type, kwargs))
    return (_encode_flat(kwargs) if is_flat else None) or encode_value(kwargs, "kwargs")


def _encode_flat(value: object) -> str | None:
    # most arguments are a few texts and whole numbers: written in 0.6 us instead of 3; None where in doubt
    try:
        text = to_json(value).decode()
    except ValueError:
        return None
    return None if "\\u0000" in text or (len(text) > DIGITS_MAX and _LONG_NUMBER.search(text)) else text


def encode_value(value: object, what: str, *, most_bytes: int | None = None) -> str:
    """Return a value as JSON text; `what` is the word its path begins with in an error.

    Raises `ArgumentError` with the path to the first part that cannot be stored, or where it is too large.
    """
    try:
        text = _encode(value)
    except Exception as error:  # a model's own serializer may raise anything
        refuse_culprit(value, what)
        msg = f"{what} cannot be stored as JSON: {error}"
        raise ArgumentError(msg) from error
    if most_bytes is not None:
        _refuse_large(text, what, most_bytes)
    if _is_doubtful(text):
        refuse_culprit(value, what)
    return text


def _refuse_large(text: str, what: str, most_bytes: int) -> None:
    # asked before the scans, which hold Python's lock for seconds where a text has 100 million characters
    size = len(text)
    if size <= most_bytes and not text.isascii():
        size = len(text.encode("utf-8", "surrogatepass"))
    if size > most_bytes:
        msg = f"{what} has {size:,} bytes or more, and {most_bytes:,} may be stored: keep it elsewhere, and pass where"
        raise ArgumentError(msg)


def _is_doubtful(text: str) -> bool:
    # cheap scans of the text, each of which may cry wolf: the slow walk over the value decides
    return (
        "\\u0000" in text
        or (len(text) > DIGITS_MAX and _LONG_NUMBER.search(text) is not None)
        or ("{" in text and _DOUBTFUL_KEY.search(text) is not None)
        or text.count("[") + text.count("{") > LEVELS_MAX
        or not (text.isascii() or _is_unicode(text))
    )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean_text(text: str, limit_bytes: int = 65_536) -> str:
    r"""Return a text PostgreSQL takes: NUL as `\0`, lone surrogates as escapes, at most `limit_bytes` of UTF-8.

    What is too long loses its middle, since the first and the last lines of a traceback say most.
    """
    data = text.replace("\0", "\\0").encode("utf-8", "backslashreplace")
    if len(data) <= limit_bytes:
        return data.decode()
    mark = f"\n[... {len(data) - limit_bytes} bytes and more left out ...]\n".encode()
    if len(mark) >= limit_bytes:
        return data[:limit_bytes].decode("utf-8", "ignore")
    head = (limit_bytes - len(mark)) // 2
    tail = limit_bytes - len(mark) - head
    return b"".join((data[:head], mark, data[len(data) - tail :])).decode("utf-8", "ignore")
