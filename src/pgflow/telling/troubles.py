"""The last errors: what jobs died of and what they are being retried for, those that are alike counted as one."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

ALIKE: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8,}|[0-9]+")
ALIKE_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error that several jobs share just now, numbers and ids in its text made alike."""

    task: str
    error_code: str | None
    message: str | None
    count: int
    last_at: datetime
    job_id: str
    retrying: bool
    fingerprint: str | None = None
    reason_code: str | None = None
    deaths: Sequence[int] | None = None


def troubles(groups: Iterable[Any], retrying: Iterable[Any], most: int) -> list[Trouble]:
    """Put together what jobs died of and what they are being retried for, the latest first."""
    found = [
        Trouble(
            one.task, one.error_code, one.error_message, one.count, one.last_at, one.newest_job_id, False,
            one.fingerprint, one.reason_code, one.deaths,
        )
        for one in groups
    ]  # fmt: skip
    shared: dict[tuple[str, str | None, str], list[Any]] = defaultdict(list)
    for job in retrying:
        if job.finished_at or job.error_code:
            shared[job.task, job.error_code, alike(job.error_message)].append(job)
    for (task, code, _), jobs in shared.items():
        last = max(jobs, key=_since)
        found.append(Trouble(task, code, last.error_message, len(jobs), _since(last), last.id, True))
    return sorted(found, key=lambda one: one.last_at, reverse=True)[:most]


def alike(message: str | None) -> str:
    """Make numbers and ids of an error's text alike, as groups of dead letters have them."""
    return ALIKE.sub("#", (message or "")[:ALIKE_CHARACTERS].lower())


def _since(job: Any) -> datetime:
    since: datetime = job.finished_at or job.created_at
    return since
