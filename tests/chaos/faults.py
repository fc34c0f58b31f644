"""What a proxy can do to the connections through it, as values; and to whom."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgflow.store.statement import load

if TYPE_CHECKING:
    from chaos.link import Link

    Whom = Callable[[Link], bool]

WRITES: Final = re.compile(r"\b(insert|update|delete|commit)\b", re.IGNORECASE)


def everyone(link: Link) -> bool:
    """All connections."""
    return True


def listeners(link: Link) -> bool:
    """The connections on which LISTEN has passed."""
    return link.talk.listens


def others(link: Link) -> bool:
    """The connections on which it has not."""
    return not link.talk.listens


def born_before(moment: float) -> Whom:
    """The connections that were there at a moment of `time.monotonic()`."""
    return lambda link: link.born < moment


def named(application: str) -> Whom:
    """The connections of one application_name."""
    return lambda link: link.application == application


def writes(question: tuple[str, ...]) -> bool:
    """Tell a question that changes something."""
    return any(WRITES.search(text) for text in question)


def statement(name: str) -> Callable[[tuple[str, ...]], bool]:
    """Tell a question by a statement of the store's sql/: by its text up to its first parameter."""
    begins = load(name).text.split("%(", 1)[0]
    return lambda question: any(begins in text for text in question)


def says(words: str) -> Callable[[tuple[str, ...]], bool]:
    """Tell a question one of whose texts contains these words."""
    return lambda question: any(words in text for text in question)


@dataclass(frozen=True, slots=True)
class Delay:
    """Each message waits `seconds`, and up to `jitter` more; their order stays."""

    seconds: float
    jitter: float = 0.0
    whom: Whom = everyone


@dataclass(frozen=True, slots=True)
class Cut:
    """With `chance`, a message is forwarded in part, and then both sides are closed."""

    chance: float
    whom: Whom = everyone


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing passes, not even the end of a connection, and nobody is told; new connections are silent too.

    With `late` all of it comes through when the silence ends, as by a network that sends again. Without, it is
    lost and the connection is reset then. `to_server` and `to_client` say which way is silent.
    """

    late: bool = False
    to_server: bool = True
    to_client: bool = True
    whom: Whom = everyone


@dataclass(frozen=True, slots=True)
class LostAnswer:
    """With `chance`, the answer to a question that committed is swallowed whole, and the connection closed."""

    chance: float
    about: Callable[[tuple[str, ...]], bool] = writes
    whom: Whom = everyone


Fault = Delay | Cut | Silence | LostAnswer
