"""Reads the parameters of a request's query strictly: each known, each once, each text in UTF-8."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from pydantic import BaseModel, ValidationError

from pgflow.admin import Problem
from pgflow.plugins.admin.body import invalid

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_PARAMETERS: Final = 100
ARGUMENTS: Final = "arguments"
MOST_SHOWN: Final = 60


def parameters(model: type[BaseModel]) -> dict[str, str]:
    """The fields of a model by the names of their parameters; not the one that takes free ones."""
    free = free_prefix(model)
    return {field.alias or name: name for name, field in model.model_fields.items() if not (free and name == ARGUMENTS)}


def free_prefix(model: type[BaseModel]) -> str:
    """What the names of free parameters begin with, such as `arg.`: its class says so, and they fill `arguments`."""
    return str(getattr(model, "free_prefix", ""))


def as_model(query: bytes, model: type[BaseModel] | None) -> BaseModel | None:
    """Read a query string as its model. Raises `Problem`, 400 or 422, with `?name` for a pointer."""
    return model_of(pairs(query), model)


def model_of(given_pairs: Iterable[tuple[str, str]], model: type[BaseModel] | None) -> BaseModel | None:
    """Read parameters and their values as a model. Raises `Problem`, 422, with `?name` for a pointer."""
    known = parameters(model) if model is not None else {}
    free = free_prefix(model) if model is not None else ""
    given: dict[str, Any] = {}
    arguments: dict[str, str] = {}
    for name, value in given_pairs:
        is_free = bool(free) and name.startswith(free) and name != free
        taken = arguments if is_free else given
        key = name.removeprefix(free) if is_free else name
        if not is_free and name not in known:
            there_are = ", ".join([*known, *([f"{free}…"] if free else [])]) or "none"
            detail = f"there is no parameter {name[:MOST_SHOWN]!r}; there are: {there_are}"
            raise Problem(422, "UNKNOWN_PARAMETER", detail, pointer=f"?{name[:MOST_SHOWN]}")
        if key in taken:
            raise Problem(422, "REPEATED_PARAMETER", f"{name!r} is given twice: give it once", pointer=f"?{name}")
        taken[key] = value
    if model is None:
        return None
    try:
        return model.model_validate({**given, **({ARGUMENTS: arguments} if free else {})})
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False), lambda at: _pointer(at, free)) from None


def text_of(raw: bytes, what: str) -> str:
    """Decode percent escapes. Raises `Problem`, 400, where that is no text."""
    try:
        text = unquote_to_bytes(raw).decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "BAD_TEXT", f"{what} is not UTF-8") from None
    if "\0" in text:
        raise Problem(400, "BAD_TEXT", f"{what} holds the character NUL")
    return text


def pairs(query: bytes, *, most: int = MOST_PARAMETERS) -> Iterator[tuple[str, str]]:
    """Give each parameter with its value, as often as it is there. Raises `Problem`, 400 or 422."""
    parts = [part for part in query.split(b"&") if part]
    if len(parts) > most:
        raise Problem(422, "TOO_MANY_PARAMETERS", f"there are more than {most} parameters", pointer="?")
    for part in parts:
        name, _, value = part.replace(b"+", b" ").partition(b"=")
        yield text_of(name, "the name of a parameter"), text_of(value, "the value of a parameter")


def _pointer(place: Sequence[int | str], free: str) -> str:
    if free and place and place[0] == ARGUMENTS:
        return f"?{free}{place[1] if len(place) > 1 else ''}"
    return f"?{place[0]}" if place else "?"
