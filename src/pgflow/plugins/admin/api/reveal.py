"""POST /jobs/{id}/reveal: a job's arguments as they are, for those who have the right to, and each look audited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pgflow.admin import Endpoint, look
from pgflow.plugins.admin.api.fields import Nothing

if TYPE_CHECKING:
    from pgflow.admin import Call


@dataclass(frozen=True, slots=True)
class Revealed:
    """What a job was given, nothing masked."""

    job_id: str
    args: list[Any]
    kwargs: dict[str, Any]
    headers: dict[str, Any]


def reveal(call: Call) -> Revealed:
    """Show what is masked elsewhere. It changes no job, and is audited as a change is."""
    row = call.app.reads.run(look.job(call.path["job_id"]))
    call.note.update(job_type=row.task)
    args = row.args if isinstance(row.args, list) else []
    kwargs = row.kwargs if isinstance(row.kwargs, dict) else {}
    return Revealed(row.id, args, kwargs, dict(row.headers or {}))


ENDPOINTS = (
    Endpoint(
        method="POST", path="/jobs/{job_id}/reveal", name="reveal_job", summary="Show a job's arguments unmasked",
        scope="admin", answer=reveal, body=Nothing, body_required=False, response=Revealed, errors=(404,),
        changes=True,
    ),
)  # fmt: skip
