"""GET /audit: the entries, newest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from pgflow.admin import Endpoint
from pgflow.plugins.audit.entries import LAST_ID, Entry, listing

if TYPE_CHECKING:
    from pgflow.admin import Call


class AuditQuery(BaseModel):
    """Which entries to list."""

    model_config = ConfigDict(extra="forbid")

    actor: str | None = Field(None, max_length=2_000, description="only changes by this actor")
    action: str | None = Field(None, max_length=2_000, description="only this action, such as cancel_job")
    limit: int = Field(100, ge=1, le=500, description="the most entries to list")
    cursor: int | None = Field(None, ge=1, le=LAST_ID, description="next_cursor of the page before")


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some of the audit, newest first; `next_cursor` leads to the rest, null at the end."""

    items: list[Entry]
    next_cursor: str | None


def page(reads: Any, *, actor: str | None, action: str | None, cursor: int | None, limit: int) -> AuditPage:
    """Read a page of the audit through one of the app's doors; `cursor` is the last page's last id."""
    found = reads.run(listing(actor=actor, action=action, before=cursor, limit=limit + 1))
    items = found[:limit]
    return AuditPage(items, items[-1].id if len(found) > limit else None)


def list_audit(call: Call) -> AuditPage:
    """Answer GET /audit."""
    return page(call.app.reads, **call.query.model_dump())


LIST_AUDIT = Endpoint(
    method="GET",
    path="/audit",
    name="list_audit",
    summary="What was changed through the admin, by whom and with what result, newest first",
    scope="admin",
    answer=list_audit,
    query=AuditQuery,
    response=AuditPage,
    tag="audit",
)
