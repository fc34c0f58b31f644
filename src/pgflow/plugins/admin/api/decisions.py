"""GET /decisions, /ingest/decisions and /policy/decisions: what guardrails refused, and what policies put off."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

from pydantic import Field

from pgflow.admin import DecisionRow, Endpoint, look, redacted
from pgflow.plugins.admin.api.fields import Code, CursorText, Given, Limit, Name
from pgflow.plugins.admin.api.lists import Listed, opened, sealed

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow.admin import Call

SUMMARIES: Final = {
    None: "List what guardrails refused and policies put off",
    "ingest": "List what guardrails refused",
    "policy": "List what policies put off",
}


class DecisionsQuery(Given):
    """Parameters of a list of decisions."""

    queue: Name | None = Field(None, description="only about this queue")
    reason_code: Code | None = Field(None, description="only with this reason")
    limit: Limit = Field(100, description="the most to give, 1 to 500")
    cursor: CursorText | None = Field(None, description="next_cursor of the page before, with the same filters")


class AllDecisionsQuery(DecisionsQuery):
    """Parameters of the list of both kinds."""

    kind: Literal["ingest", "policy"] | None = Field(None, description="only refused enqueues, or only jobs put off")


@dataclass(frozen=True, slots=True)
class DecisionItem:
    """A decision. `count` says how often it was made in a short time, `last_at` when last."""

    id: str
    created_at: datetime
    kind: str
    queue: str
    job_type: str | None
    task: str | None
    job_id: str | None
    decision: str
    reason_code: str
    details: Any
    count: int
    last_at: datetime | None


def decisions_of(kind: str | None) -> Callable[[Call], Listed[DecisionItem]]:
    """Make the answer that lists decisions of a kind, or of both."""
    sealed_as = kind or "decisions"

    def answer(call: Call) -> Listed[DecisionItem]:
        asked: DecisionsQuery = call.query
        filters = asked.model_dump(exclude={"limit", "cursor"})
        before = opened(call, sealed_as, filters)
        found = call.app.reads.run(
            look.decisions(
                kind=kind or filters.get("kind"),
                queue=asked.queue,
                reason_code=asked.reason_code,
                before=before,
                limit=asked.limit + 1,
            )
        )
        page = found[: asked.limit]
        place = page[-1].id if len(found) > len(page) else None
        return Listed([_item(row) for row in page], sealed(call, sealed_as, filters, place))

    return answer


def _item(row: DecisionRow) -> DecisionItem:
    return DecisionItem(
        id=str(row.id),
        created_at=row.created_at,
        kind=row.kind,
        queue=row.queue,
        job_type=row.task,
        task=row.task,
        job_id=row.job_id,
        decision=row.decision,
        reason_code=row.reason_code,
        details=redacted(row.details),
        count=row.count,
        last_at=row.last_at,
    )


ENDPOINTS = tuple(
    Endpoint(
        method="GET", path=f"/{kind}/decisions" if kind else "/decisions",
        name=f"{kind}_decisions" if kind else "list_decisions", summary=f"{summary}, newest first",
        scope="read", answer=decisions_of(kind), query=DecisionsQuery if kind else AllDecisionsQuery,
        response=Listed[DecisionItem], errors=(400, 422), tag="decisions",
    )
    for kind, summary in SUMMARIES.items()
)  # fmt: skip
