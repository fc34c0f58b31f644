"""Masks secrets in values and in texts: the one place for API, pages, commands, logs and tracebacks.

A secret is known by the name it goes by, never by how it looks, so more is masked rather than less.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

MASK: Final = "***"

LEVELS_MAX: Final = 200
WORDS: Final = frozenset({
    "auth", "authorization", "bearer", "cookie", "cred", "credential", "csrf", "cvc", "cvv", "jwt", "oauth", "otp",
    "pass", "passcode", "passphrase", "passwd", "password", "pwd", "secret", "session", "sessionid", "token",
})  # fmt: skip
# run together, as in PGPASSWORD and authtoken, they still end so
ENDINGS: Final = (
    "accesskey", "apikey", "credential", "passphrase", "passwd", "password", "privatekey", "secret", "secretkey",
    "token",
)  # fmt: skip
KEYS: Final = frozenset({
    "access", "account", "api", "auth", "encryption", "master", "private", "secret", "shared", "signing", "ssh",
})  # fmt: skip
LINES: Final = frozenset({"authorization", "cookie"})
NAMING: Final = ("name", "key")

_RUN: Final = re.compile(r"[^\W_]+")
_HUMP: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+|[^\W\d_]")
_URL: Final = re.compile(r"://([^\s\"<>`]+)")
_BEARER: Final = re.compile(r"\b(bearer)\s+[^\s\"',;]+", re.IGNORECASE)
_KEY: Final = re.compile(r"(?<![\w.-])([\w.-]++)[\\'\"\])]{0,8}[ \t]{0,3}(?:=>|:=|={1,3}|:)[ \t]{0,3}")
_LINE: Final = re.compile(r"[^\r\n]+")
_VALUE: Final = re.compile(
    r"""
    [bru]{0,2}"(?:[^"\\]|\\.)*+(?:"|\Z)             # quoted; an open quote hides the rest
    | [bru]{0,2}'(?:[^'\\]|\\.|'')*+(?:'|\Z)        # two quotes within one are how a connection string has it
    | \\+["'].*?(?:\\+["']|\Z)                      # JSON within JSON
    | [\[({][^\r\n]*                                # where a list ends is not looked for
    | (?:(?![&;,]\s?["']?[\w.-]{1,64}["']?\s?[=:])[^\s"<>])+
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def redacted(value: Any, sensitive: Collection[str] = ()) -> Any:
    """Return a JSON value with its secrets masked, at any depth; what is given is not changed.

    Masked whole is what stands under a name that speaks of a secret, or one of `sensitive`. Texts pass
    `redacted_text`. A truth value, a null, and a number under a plural such as `max_tokens` are left.
    """
    return _walk(value, frozenset(map(_alike, sensitive)), 0)


def redacted_args(args: Sequence[Any], names: Sequence[str], sensitive: Collection[str] = ()) -> list[Any]:
    """Return positional arguments with their secrets masked; `names` are the parameters', the last one's for the rest.

    Without names, values are masked by what is within them only.
    """
    known = [names[min(place, len(names) - 1)] if names else "" for place in range(len(args))]
    secret = frozenset(map(_alike, sensitive))
    return [_under(name, value, secret, 0) for name, value in zip(known, args, strict=True)]


def redacted_text(text: str) -> str:
    """Return a text with passwords of URLs, values of `password=…` and `"token": …`, and `Bearer …` masked."""
    # most texts hold none of these, and a list of jobs has hundreds
    if "://" in text:
        text = _URL.sub(_masked_url, text)
    if "bearer" in text.lower():
        text = _BEARER.sub(rf"\1 {MASK}", text)
    return _masked_pairs(text) if "=" in text or ":" in text else text


def is_secret(name: str) -> bool:
    """Say whether a name speaks of a secret: a word of it does, in any case, camelCase too."""
    return _kind(name) is not None


@lru_cache(maxsize=4096)
def _kind(name: str) -> str | None:
    # `one` for a word such as token, `many` for its plural, which may be a count
    runs = _RUN.findall(name)
    words = [run.lower() for run in runs]
    humps = [hump.lower() for run in runs for hump in _HUMP.findall(run)]
    if any(_speaks(word) for word in (*words, *humps)) or _names_key(words) or _names_key(humps):
        return "one"
    return "many" if any(word.endswith("s") and _speaks(word[:-1]) for word in (*words, *humps)) else None


def _speaks(word: str) -> bool:
    bare = word.rstrip("0123456789")
    return bare in WORDS or bare.endswith(ENDINGS)


def _names_key(words: Sequence[str]) -> bool:
    return any(kind in KEYS and word in ("key", "keys") for kind, word in pairwise(words))


def _alike(name: str) -> str:
    return "".join(_RUN.findall(name)).lower()


def _walk(value: Any, sensitive: AbstractSet[str], level: int) -> Any:
    if isinstance(value, str):
        return redacted_text(value)
    if level > LEVELS_MAX:
        return MASK
    if isinstance(value, Mapping):
        return _walk_mapping(value, sensitive, level)
    if isinstance(value, list | tuple | AbstractSet):
        return [_walk(part, sensitive, level + 1) for part in value]
    return value


def _walk_mapping(value: Mapping[Any, Any], sensitive: AbstractSet[str], level: int) -> dict[str, Any]:
    # {"name": "PASSWORD", "value": "…"} says in a value what the value beside it is
    said = {str(name).lower(): part for name, part in value.items()}
    named = next((said[word] for word in NAMING if isinstance(said.get(word), str)), "")
    return {
        redacted_text(str(name)): _under(named if str(name).lower() == "value" else str(name), part, sensitive, level)
        for name, part in value.items()
    }


def _under(name: str, value: Any, sensitive: AbstractSet[str], level: int) -> Any:
    kind = "one" if _alike(name) in sensitive else _kind(name)
    is_count = kind == "many" and isinstance(value, int | float)
    if kind is None or value is None or isinstance(value, bool) or is_count:
        return _walk(value, sensitive, level + 1)
    return MASK


def _masked_url(found: re.Match[str]) -> str:
    # a password may hold an @ of its own: the last one of the run ends it
    run = found[1]
    colon, at = run.find(":"), run.rfind("@")
    return f"://{run[:colon]}:{MASK}{run[at:]}" if 0 <= colon < at else found[0]


def _masked_pairs(text: str) -> str:
    parts: list[str] = []
    done = 0
    for found in _KEY.finditer(text):
        kind = _kind(found[1]) if found.start() >= done else None
        value = _value_at(found[1], text, found.end()) if kind else None
        if value is None or (kind == "many" and value[0].strip(",;)}").isdigit()):
            continue
        parts += [text[done : found.end()], _in_quotes(value[0])]
        done = value.end()
    return "".join((*parts, text[done:]))


def _value_at(name: str, text: str, start: int) -> re.Match[str] | None:
    # what a header holds goes on to the end of the line, unless it is quoted
    is_line = text[start : start + 1] not in ('"', "'", "\\")
    is_header = not LINES.isdisjoint(run.lower() for run in _RUN.findall(name))
    return (_LINE if is_line and is_header else _VALUE).match(text, start)


def _in_quotes(value: str) -> str:
    quote = value[0] if value[0] in "\"'" and value[-1] == value[0] else ""
    return f"{quote}{MASK}{quote}"
