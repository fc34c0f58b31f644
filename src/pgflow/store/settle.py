"""The statements of a drain: what has not ended yet, and what comes before its time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from pgflow.store.statement import Statement, load

if TYPE_CHECKING:
    from collections.abc import Sequence

HURRY: Final = load("settle/hurry")
UNSETTLED: Final = load("settle/unsettled")


class Unsettled(NamedTuple):
    """A job that has not ended, where it is and what its last run said."""

    job_id: str
    task: str | None
    place: str
    attempt: int
    error_code: str | None
    error_message: str | None

    def __str__(self) -> str:
        """Tell it in a line."""
        said = ": ".join(part for part in (self.error_code, self.error_message) if part)
        after = f", after {said}" if said else ""
        return f"{self.task} {self.job_id} is {self.place}, attempt {self.attempt}{after}"


def hurry(queues: Sequence[str], *, retries: bool, later: bool) -> Statement[int]:
    """Make ready what waits for a retry, and with `later` for its first run; gives how many."""
    params = {"queues": list(queues), "retries": retries, "later": later}
    return Statement(HURRY, params, lambda rows: int(rows[0][0]))


def unsettled(queues: Sequence[str], *, later: bool) -> Statement[list[Unsettled]]:
    """List the first 20 jobs of these queues that have not ended; first runs in the future only with `later`."""
    params = {"queues": list(queues), "later": later}
    return Statement(UNSETTLED, params, lambda rows: [Unsettled(*row) for row in rows])
