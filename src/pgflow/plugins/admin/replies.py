"""Turns what an endpoint gives into the bytes of a response; dataclasses, models and times become JSON."""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel

from pgflow.admin import Answer, Problem

if TYPE_CHECKING:
    from pgflow.admin import Endpoint

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
NO_LENGTH: Final = (204, 304)
WITHOUT_BODY: Final = (*NO_LENGTH, 307)

WRITTEN: Final[dict[type, Callable[[Any], object]]] = {
    BaseModel: lambda value: value.model_dump(by_alias=True),
    datetime: datetime.isoformat,
    date: date.isoformat,
    time: time.isoformat,
    timedelta: timedelta.total_seconds,
    Enum: lambda value: value.value,
    Mapping: dict,
    frozenset: sorted,
    set: sorted,
}


@dataclass(frozen=True, slots=True)
class Reply:
    """A response ready to be sent; `body` is its bytes, or the chunks of a stream."""

    status: int
    body: bytes | AsyncIterable[Any]
    media_type: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def send(self, send: Any) -> None:
        """Send it whole; a stream is for `Streams` to send."""
        body = self.body if isinstance(self.body, bytes) else b""
        await send({"type": "http.response.start", "status": self.status, "headers": self.raw_headers()})
        await send({"type": "http.response.body", "body": body})

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI has them."""
        given = {name.lower(): value for name, value in self.headers.items()}
        if isinstance(self.body, bytes) and self.status not in NO_LENGTH:
            given.setdefault("content-length", str(len(self.body)))
        if self.body:
            given.setdefault("content-type", self.media_type)
        return [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in given.items()]


def reply_of(endpoint: Endpoint, given: object) -> Reply:
    """Make the response of what an endpoint gave: text and bytes in an `Answer`, or of another type, as they are."""
    answer = given if isinstance(given, Answer) else Answer(given)
    status, media_type = answer.status or endpoint.status, answer.media_type or endpoint.media_type
    as_it_is = isinstance(given, Answer) or media_type != JSON
    body = answer.body
    if isinstance(body, AsyncIterable):
        return Reply(status, body, media_type, answer.headers)
    if as_it_is and isinstance(body, str):
        body = body.encode("utf-8", "replace")
        media_type = f"{media_type}; charset=utf-8" if media_type == "text/html" else media_type
    if as_it_is and isinstance(body, bytes):
        return Reply(status, body, media_type, answer.headers)
    if body is None and status in WITHOUT_BODY:
        return Reply(status, b"", media_type, answer.headers)
    return Reply(status, to_json(body), media_type, answer.headers)


def reply_of_problem(problem: Problem) -> Reply:
    """Make the response of a problem."""
    return Reply(problem.status, to_json(problem.document()), PROBLEM_JSON, problem.headers)


def to_json(value: object) -> bytes:
    """Write JSON: times in ISO 8601 with their offset, numbers that are none as null."""
    try:
        text = json.dumps(value, default=_plain, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(value), default=_plain, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "replace")


def _plain(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: getattr(value, one.name) for one in fields(value)}
    written = next((write for kind, write in WRITTEN.items() if isinstance(value, kind)), str)
    return written(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    if value is None or isinstance(value, str | int):
        return value
    return _finite(_plain(value))
