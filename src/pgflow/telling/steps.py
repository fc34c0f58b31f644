"""What to do next about a job, as commands to be copied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.model import FINAL_STATES

if TYPE_CHECKING:
    from collections.abc import Iterator

WAITING: Final = ("scheduled", "retrying")


def commands(job: Any) -> list[str]:
    """Give the commands about this job."""
    return [f"pgflow job {job.id}", f"pgflow explain {job.id}", *(command for command, _ in next_steps(job))]


def next_steps(job: Any) -> Iterator[tuple[str, str]]:
    """Give the commands that change something about this job, each with what it does; the likeliest first."""
    if job.state in WAITING:
        yield f"pgflow retry {job.id}", "run it now"
    if job.state in FINAL_STATES:
        yield f"pgflow replay {job.id}", "the same again, as a new job"
        if job.state == "dead":
            yield f"pgflow retry {job.id}", "try this very job once more"
    else:
        yield f"pgflow cancel {job.id}", "call it off"
