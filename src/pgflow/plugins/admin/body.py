"""Reads the body of a request, counted while it comes; what is in it is checked by `strict_json` and by models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import anyio
from pydantic import BaseModel, ValidationError

from pgflow.admin import Problem
from pgflow.plugins.admin import strict_json
from pgflow.plugins.admin.origin import is_json

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from pydantic_core import ErrorDetails

    Receive = Callable[[], Awaitable[Any]]

BODY_SECONDS: Final = 30.0
MOST_ERRORS: Final = 20
WITH_BODY: Final = frozenset({"POST", "PUT", "PATCH"})


class BodyTooLargeError(Problem):
    """The body is larger than the admin takes."""

    def __init__(self, limit: int) -> None:
        detail = f"the body is larger than {limit} bytes: keep large data elsewhere and pass a reference"
        super().__init__(413, "PAYLOAD_TOO_LARGE", detail, limit=limit)


async def read_json(receive: Receive, headers: Mapping[str, str], limit: int) -> bytes:
    """Read the bytes of a JSON body, no more than `limit`; gives none where there is none.

    Raises `Problem`: 413 as soon as it is known, 415 where it says to be something else, 408 where it does not come.
    """
    return await read(receive, headers, limit, is_json, "send the body with Content-Type: application/json, in UTF-8")


async def read(
    receive: Receive, headers: Mapping[str, str], limit: int, fits: Callable[[str | None], bool], wants: str
) -> bytes:
    """Read the bytes of a body whose Content-Type fits. Raises `Problem` as `read_json` does."""
    length = headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > limit:
        raise BodyTooLargeError(limit)
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", "the body is encoded: send it as it is, without Content-Encoding")
    try:
        with anyio.fail_after(BODY_SECONDS):
            raw = await _read(receive, limit)
    except TimeoutError:
        detail = f"the body did not come within {BODY_SECONDS:g} s"
        raise Problem(408, "REQUEST_TIMEOUT", detail, headers={"connection": "close"}) from None
    if raw and not fits(headers.get("content-type")):
        raise Problem(415, "UNSUPPORTED_MEDIA_TYPE", wants)
    return raw


async def _read(receive: Receive, limit: int) -> bytes:
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Problem(400, "INCOMPLETE_BODY", "the connection ended before the body did")
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise BodyTooLargeError(limit)
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


def as_model(raw: bytes, model: type[BaseModel] | None, *, required: bool) -> BaseModel | None:
    """Read a body as its model. A body that may be left out is then the model's defaults.

    Raises `Problem`: 400 for what is not JSON, 422 for what does not fit the model, with a pointer to the field.
    """
    if model is None:
        if raw.strip() and strict_json.parse(raw) != {}:
            raise Problem(422, "BODY_NOT_TAKEN", "this takes no body: leave it out, or send {}", pointer="")
        return None
    if not raw.strip():
        if required:
            raise Problem(400, "MISSING_BODY", "the body is missing: send a JSON object")
        raw = b"{}"
    try:
        return model.model_validate(strict_json.parse(raw))
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_context=False), pointer_into_body) from None


def invalid(errors: Sequence[ErrorDetails], pointer: Callable[[Sequence[int | str]], str]) -> Problem:
    """Make the problem of values that do not fit their model: the first by name, and all in `errors`."""
    listed = [{"pointer": pointer(one["loc"]), "detail": one["msg"]} for one in errors[:MOST_ERRORS]]
    first = listed[0]
    code = {"extra_forbidden": "UNKNOWN_FIELD", "missing": "MISSING_FIELD"}.get(errors[0]["type"], "INVALID_VALUE")
    said = f"{first['pointer'] or 'the body'}: {first['detail']}"
    return Problem(422, code, said, pointer=first["pointer"], errors=listed)


def pointer_into_body(place: Sequence[int | str]) -> str:
    """Name a field by a JSON pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in place)
