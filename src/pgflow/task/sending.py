"""The options of one enqueue, checked and made into the job that every call of it is like."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, TypedDict

from pydantic_core import from_json

from pgflow.codec import encode_value
from pgflow.errors import ArgumentError
from pgflow.model import NewJob
from pgflow.task.options import TaskOptions, seconds_of
from pgflow.task.words import SEND_WORDS, strangers


class SendKeywords(TypedDict, total=False):
    """The keywords of `task.options`."""

    delay: float | timedelta | None
    run_at: datetime | None
    priority: int
    queue: str
    max_attempts: int
    timeout: float | timedelta | None
    expires: float | timedelta | datetime | None
    headers: Mapping[str, object] | None
    conn: object
    keep_result: bool
    unique_key: str | None


_PASSED_ON: Final = ("run_at", "priority", "queue", "max_attempts", "keep_result", "unique_key")


def make_template(declared: TaskOptions, keywords: Mapping[str, Any]) -> NewJob:
    """Return a job without id and arguments: as declared, then as these keywords say.

    Raises `ArgumentError` for a keyword that is no option, or has a value it cannot take.
    """
    complaint = strangers(keywords, SendKeywords.__annotations__, SEND_WORDS)
    if complaint:
        raise ArgumentError(complaint)
    if keywords.get("delay") is not None and keywords.get("run_at") is not None:
        msg = "delay= and run_at= both say when: give one"
        raise ArgumentError(msg)
    fields: dict[str, Any] = {
        "queue": declared.queue,
        "priority": declared.priority,
        "max_attempts": declared.max_attempts,
        "keep_result": declared.keep_result,
    }
    fields.update({name: keywords[name] for name in _PASSED_ON if name in keywords})
    fields["delay"] = seconds_of(keywords.get("delay"))
    fields["timeout"] = seconds_of(keywords.get("timeout", declared.timeout))
    fields.update(_expiry(keywords.get("expires")))
    _check_boolean("keep_result", fields["keep_result"])
    return NewJob(id="", task=declared.name, headers=_headers(keywords.get("headers")), **fields)


def _expiry(expires: object) -> dict[str, Any]:
    return {"expires_at": expires} if isinstance(expires, datetime) else {"expires_in": seconds_of(expires)}


def _headers(given: object) -> Mapping[str, object] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping):
        msg = f"headers {given!r} must be a dict of JSON values"
        raise ArgumentError(msg)
    plain: dict[str, object] = from_json(encode_value(given, "headers"))
    return plain


def _check_boolean(word: str, value: object) -> None:
    if not isinstance(value, bool):
        msg = f"{word} {value!r} must be True or False"
        raise ArgumentError(msg)
