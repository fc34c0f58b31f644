"""Lists the jobs that gave up, the newest death first, with their dead letters; it looks at a bounded number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from pgflow.model import State
from pgflow.store.admin import look
from pgflow.store.statement import Statement, all_rows, load, nothing
from pgflow.views import JobFilter

if TYPE_CHECKING:
    from datetime import datetime

    from pgflow.model import JobRow
    from pgflow.store.admin import Run
    from pgflow.store.statement import Rows

LETTERS: Final = load("admin/newest_letters")

Place = tuple["datetime | str", str]


@dataclass(frozen=True, slots=True)
class DeadJob:
    """A job that gave up: as it stands, when it died, and what became of its dead letter."""

    job: JobRow
    dead_at: datetime
    reason_code: str
    replayed_as: str | None
    discarded_at: datetime | None

    @property
    def place(self) -> Place:
        """Where it stands in the list, for the next page to go on from."""
        return self.dead_at, self.job.id


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadFilter:
    """Which dead letters to list: those of jobs that pass `jobs`, whose `limit` is the page's length.

    `fingerprint` is that of a `DeadGroup`; `before` the place of the last one of the page before.
    """

    jobs: JobFilter
    reason_code: str | None = None
    fingerprint: str | None = None
    open_only: bool = False
    before: Place | None = None


@dataclass(frozen=True, slots=True)
class DeadPage:
    """Some of the list. `next` is the place to go on from, None at the end; `complete` as in `Page`."""

    items: list[DeadJob]
    next: Place | None
    complete: bool = True


def dead_listing(run: Run, wanted: DeadFilter) -> DeadPage:
    """List dead jobs after looking at 20,000 letters or for 150 ms at most, as `look.listing` does."""
    run(Statement(look.BY_INDEX, {}, nothing))
    jobs = replace(wanted.jobs, state=State.DEAD)
    before: Place = wanted.before or ("infinity", look.LAST_ID)
    found: list[DeadJob] = []
    effort = look.Effort(jobs.limit + 1)
    while True:
        chunk = effort.chunk
        letters = run(_letters(wanted, before, chunk))
        found += _described(run, [letter for letter in letters if letter[-1]], jobs)
        if len(found) > jobs.limit:
            page = found[: jobs.limit]
            return DeadPage(page, page[-1].place)
        if len(letters) < chunk:
            return DeadPage(found, None)
        before = letters[-1][1], letters[-1][0]
        if effort.is_spent(len(letters)):
            return DeadPage(found, before, complete=False)


def _described(run: Run, letters: Rows, jobs: JobFilter) -> list[DeadJob]:
    if not letters:
        return []
    rows = {row.id: row for row in run(look.describe([letter[0] for letter in letters], jobs))}
    return [DeadJob(rows[letter[0]], *letter[1:-1]) for letter in letters if letter[0] in rows]


def _letters(wanted: DeadFilter, before: Place, most: int) -> Statement[Rows]:
    params: dict[str, Any] = {
        "queue": wanted.jobs.queue, "task": wanted.jobs.task, "error_code": wanted.jobs.error_code,
        "text": wanted.jobs.text, "reason_code": wanted.reason_code, "fingerprint": wanted.fingerprint,
        "open_only": wanted.open_only, "dead_at": before[0], "job_id": before[1], "most": most,
    }  # fmt: skip
    return Statement(LETTERS, params, all_rows)
