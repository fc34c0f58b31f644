"""The tokens: read strictly, kept as digests, and compared in constant time. No message ever holds one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, StringConstraints, TypeAdapter, ValidationError

from pgflow import Actor, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

API_TOKEN: Final = "api-token"  # noqa: S105 - its name
TAKES: Final = 'it takes JSON such as {"ci": {"token": "…", "scopes": ["enqueue"]}}'


class Written(BaseModel):
    """A token as it is written in the settings."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    token: SecretStr
    scopes: frozenset[Literal["read", "operate", "enqueue", "admin"]] = Field(min_length=1)
    actions: frozenset[str] | None = Field(None, min_length=1)


class Listed(Written):
    """The same in a list, where its name is beside it."""

    name: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]


LISTED: Final = TypeAdapter(list[Listed])


@dataclass(frozen=True, slots=True)
class Token:
    """A token that is accepted. `actions` are all it may do, whatever its scopes; None is no such bound."""

    digest: bytes
    actor: Actor
    actions: frozenset[str] | None = None


def digest(text: str) -> bytes:
    """Make texts of any length and kind into bytes of one length, for `compare_digest`."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


def match(tokens: Iterable[Token], presented: str) -> Token | None:
    """Find the token that was presented; takes as long for each of them, and for none."""
    given, found = digest(presented), None
    for token in tokens:
        if compare_digest(token.digest, given):
            found = token
    return found


def single(secret: SecretStr) -> Token:
    """Take PGFLOW_API_TOKEN, which may do everything. Raises `SettingsError`."""
    checked = _checked(secret.get_secret_value(), "PGFLOW_API_TOKEN")
    return Token(digest(checked), Actor(API_TOKEN, frozenset({"admin"})))


def read(text: str, source: str) -> list[Token]:
    """Read tokens from JSON, by name or in a list. Raises `SettingsError` naming the source, and no token."""
    try:
        given: Any = json.loads(text, object_pairs_hook=lambda pairs: _named_once(pairs, source))
    except (ValueError, RecursionError):
        msg = f"{source}: not JSON; {TAKES}"
        raise SettingsError(msg) from None
    if isinstance(given, dict):
        given = [{**spec, "name": name} if isinstance(spec, dict) else {"name": name} for name, spec in given.items()]
    try:
        listed = LISTED.validate_python(given)
    except ValidationError as error:
        raise SettingsError("\n".join(_complaints(error, given, source))) from None
    if not listed:
        msg = f"{source}: holds no token; {TAKES}, or unset it"
        raise SettingsError(msg)
    return [_token(one, source) for one in listed]


def distinct(tokens: Iterable[Token], source: str) -> tuple[Token, ...]:
    """Refuse two tokens of one name or one text. Raises `SettingsError` naming the source and the names."""
    names: set[str] = set()
    owners: dict[bytes, str] = {}
    for token in tokens:
        name = token.actor.name
        if name in names:
            msg = f"{source}: two tokens are called {name}: give one another name"
            raise SettingsError(msg)
        if token.digest in owners:
            msg = f"{source}: {owners[token.digest]} and {name} are the same token: make one of them anew"
            raise SettingsError(msg)
        names.add(name)
        owners[token.digest] = name
    return tuple(tokens)


def _token(one: Listed, source: str) -> Token:
    checked = _checked(one.token.get_secret_value(), f"{source}: {one.name}")
    return Token(digest(checked), Actor(one.name, frozenset(one.scopes)), one.actions)


def _checked(text: str, what: str) -> str:
    if not text:
        msg = f"{what}: the token is empty: make one with `openssl rand -hex 32`, or unset it"
        raise SettingsError(msg)
    if not (text.isascii() and text.isprintable() and " " not in text):
        msg = f"{what}: the token holds spaces or what is not ASCII: make one with `openssl rand -hex 32`"
        raise SettingsError(msg)
    return text


def _named_once(pairs: list[tuple[str, Any]], source: str) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            msg = f"{source}: {name!r} stands there twice: give one another name"
            raise SettingsError(msg)
    return dict(pairs)


def _complaints(error: ValidationError, given: Any, source: str) -> Iterator[str]:
    for problem in error.errors(include_input=False, include_url=False):
        place = list(problem["loc"])
        if place and isinstance(place[0], int):
            one = given[place[0]]
            place[0] = one.get("name", place[0]) if isinstance(one, dict) else place[0]
        where = ".".join(map(str, place))
        yield f"{source}: {f'{where}: ' if where else ''}{problem['msg']}; {TAKES}"
