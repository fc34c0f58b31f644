"""What the admin is made of: endpoints, the calls they answer, and the problems they raise; no I/O and no framework."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from pgflow.hooks import SCOPES, Actor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pydantic import BaseModel

    from pgflow.hooks import Scope

TITLES: Final = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 has them; Python's own names for these two differ between its versions."""


class Problem(Exception):  # noqa: N818 - the word of RFC 9457
    """What is wrong with a request, as RFC 9457 has it: a status, a stable code for programs, words for people.

    `pointer` names the field, as a JSON pointer into the body or `?name` for a parameter. `more` is added to the
    document, `headers` to the response.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        pointer: str | None = None,
        headers: Mapping[str, str] | None = None,
        **more: object,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.headers = dict(headers or {})
        self.more = more

    def document(self) -> dict[str, object]:
        """Give the body of the response."""
        shown = {
            "type": "about:blank",
            "title": TITLES.get(self.status) or HTTPStatus(self.status).phrase,
            "status": self.status,
            "code": self.code,
            "detail": self.detail,
        }
        return {**shown, **({"pointer": self.pointer} if self.pointer is not None else {}), **self.more}


LOCAL: Final = Actor("local", frozenset(SCOPES))
"""Whoever sits at this machine, where there are no tokens: every scope."""
PASSED_ON: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says about who makes it: header names in lower case, and the address it came from."""

    headers: Mapping[str, str]
    method: str
    path: str
    client: str | None
    cookies: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_local(self) -> bool:
        """True where it comes from this machine itself.

        What a proxy of this machine passes on comes from loopback too, and from anywhere.
        """
        return is_loopback(self.client) and not any(name in self.headers for name in PASSED_ON)


def is_loopback(host: str | None) -> bool:
    """Say whether an address is this machine's own; what is no address, such as a socket's file, is not."""
    try:
        known = ipaddress.ip_address((host or "").partition("%")[0])
    except ValueError:
        return False
    mapped = known.ipv4_mapped if isinstance(known, ipaddress.IPv6Address) else None
    return (mapped or known).is_loopback


@dataclass(frozen=True, slots=True)
class Call:
    """One request to an endpoint, checked: `path` by name, `query` and `body` as the endpoint's models.

    `note` is kept with the audit of a change: what the endpoint wants said of it.
    """

    app: Any
    actor: Actor
    path: Mapping[str, str]
    query: Any
    body: Any
    headers: Mapping[str, str]
    note: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """A response of another status, or with headers of its own; text or bytes are sent as they are."""

    body: object
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One method of one path of the HTTP API: the router and the OpenAPI document are both made of these.

    `answer(call)` is a plain function, called in a thread; it returns what becomes JSON (a pydantic model, a
    dataclass, or plain values), or an `Answer`, and raises a `Problem`. `query` and `body` are pydantic models that
    refuse unknown fields; `response` describes what comes back. `changes` says that it is audited.
    """

    method: str
    path: str
    name: str
    summary: str
    scope: Scope
    answer: Callable[[Call], object]
    query: type[BaseModel] | None = None
    body: type[BaseModel] | None = None
    body_required: bool = True
    response: Any = None
    status: int = 200
    errors: tuple[int, ...] = ()
    changes: bool = False
    media_type: str = "application/json"
    tag: str = "jobs"
