"""What the admin has beside its API: the way in to its pages, and the API's own description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgflow.admin import Answer, Call, Endpoint
from pgflow.plugins.admin.openapi import document
from pgflow.plugins.admin.replies import to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG = "admin"


def endpoints(listed: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Give the endpoints; `listed` is what the admin will have when it is asked."""
    made: list[bytes] = []

    def describe(_call: Call) -> Answer:
        if not made:
            made.append(to_json(document(listed)))
        return Answer(made[0])

    return (
        Endpoint(
            method="GET", path="/", name="root", summary="Redirect to the pages", scope="read", answer=_to_pages,
            status=307, media_type="text/plain", tag=TAG,
        ),
        Endpoint(
            method="GET", path="/openapi.json", name="openapi", summary="This description, OpenAPI 3.1", scope="read",
            answer=describe, response=dict[str, object], tag=TAG,
        ),
    )  # fmt: skip


def _to_pages(_call: Call) -> Answer:
    return Answer(None, headers={"location": "ui/"})
