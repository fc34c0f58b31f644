"""Tells how jobs descend from each other: by replays, and as children of the jobs that enqueued them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pgflow.ids import parse_id
from pgflow.store.admin import look
from pgflow.store.statement import Statement, first_column, load, nothing

if TYPE_CHECKING:
    from pgflow.model import JobRow
    from pgflow.store.admin import Run

MOST_RELATIVES: Final = 1_000
FAMILY: Final = load("admin/family", looks_twice=True)


@dataclass(frozen=True, slots=True)
class Lineage:
    """A job's family, oldest first: all that share its root. `complete` is False where there are more than 1,000."""

    root_id: str
    jobs: list[JobRow]
    complete: bool


def lineage(run: Run, job_id: object) -> Lineage:
    """Read the family of a job, arguments left out. Raises `JobNotFoundError`."""
    known = parse_id(job_id)
    run(Statement(look.BY_INDEX, {}, nothing))
    ids: list[str] = run(Statement(FAMILY, {"job_id": known, "most": MOST_RELATIVES + 1}, first_column))
    look.only(ids, known)
    shown = [known, *sorted(set(ids) - {known})][:MOST_RELATIVES]
    jobs: list[JobRow] = []
    for first in range(0, len(shown), look.MOST_IN_A_CHUNK):
        some = run(look.describe(shown[first : first + look.MOST_IN_A_CHUNK]))
        jobs.extend(some)
    asked = look.only([job for job in jobs if job.id == known], known)
    return Lineage(asked.root_id or known, sorted(jobs, key=lambda job: job.id), len(ids) <= MOST_RELATIVES)
