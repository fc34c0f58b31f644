"""GET /jobs: jobs, newest first, page by page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from pgflow import State
from pgflow.admin import Endpoint, look
from pgflow.plugins.admin.api.fields import JobsAsked, OlderState, state_of
from pgflow.plugins.admin.api.lists import Listed, opened, sealed
from pgflow.plugins.admin.api.rows import JobItem, item

if TYPE_CHECKING:
    from pgflow.admin import Call


class JobsQuery(JobsAsked):
    """Parameters of GET /jobs."""

    state: State | None = Field(None, description="only in this state")
    status: OlderState | None = Field(None, description="the same in the older words, dlq and canceled among them")

    def filters(self) -> dict[str, Any]:
        """What a cursor is bound to: both ways of saying a state are one."""
        state = state_of(self.state, self.status)
        return {**super().filters(), "state": state and state.value, "status": None}


def jobs(call: Call) -> Listed[JobItem]:
    """List jobs."""
    asked: JobsQuery = call.query
    filters = asked.filters()
    before = opened(call, "jobs", filters)
    wanted = asked.filter(state=state_of(asked.state, asked.status), before=before, limit=asked.limit)
    page = call.app.reads.together(lambda run: look.listing(run, wanted))
    following = sealed(call, "jobs", filters, page.next)
    return Listed([item(row) for row in page.items], following, None if page.complete else following)


ENDPOINTS = (
    Endpoint(
        method="GET", path="/jobs", name="list_jobs", summary="List jobs, newest first", scope="read", answer=jobs,
        query=JobsQuery, response=Listed[JobItem], errors=(400, 422),
    ),
)  # fmt: skip
