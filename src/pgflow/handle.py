"""The handle of a job: look at it, or wait for its end. It polls; it holds no connection and no state."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Final, Generic, Protocol, TypeVar

import anyio

from pgflow.errors import JobFailed, WaitTimeoutError
from pgflow.model import JobRow, State
from pgflow.views import Ending

R_co = TypeVar("R_co", covariant=True)

FIRST_PAUSE_SECONDS: Final = 0.005
LONGEST_PAUSE_SECONDS: Final = 0.25


class Lookup(Protocol):
    """What a handle asks. Each raises `JobNotFoundError` where no job has the id."""

    def job_row(self, job_id: str) -> JobRow:
        """Return the job as it stands."""
        ...

    async def ajob_row(self, job_id: str) -> JobRow:
        """Return the job as it stands."""
        ...

    def job_ending(self, job_id: str) -> Ending:
        """Return how the job ended; its state is None while it goes on."""
        ...

    async def ajob_ending(self, job_id: str) -> Ending:
        """Return how the job ended; its state is None while it goes on."""
        ...


class Job(Generic[R_co]):
    """A job that was enqueued. Equal and hashable by its id."""

    __slots__ = ("_id", "_lookup")

    def __init__(self, job_id: str, lookup: Lookup) -> None:
        self._id = job_id
        self._lookup = lookup

    @property
    def id(self) -> str:
        """The job's id, a UUID of version 7."""
        return self._id

    def refresh(self) -> JobRow:
        """Return the job as it stands now. Raises `JobNotFoundError` where it is not stored, or not any more."""
        return self._lookup.job_row(self._id)

    async def arefresh(self) -> JobRow:
        """Return the job as it stands now. Raises `JobNotFoundError` where it is not stored, or not any more."""
        return await self._lookup.ajob_row(self._id)

    def wait(self, timeout: float | None = None) -> R_co:
        """Block until the job has ended and return its result, at most `timeout` seconds.

        The result is what its JSON holds, and None where the task keeps none (`keep_result=True` keeps it).
        Raises `JobFailed` where the job ended otherwise, `WaitTimeoutError` where it has not ended in time.
        """
        for pause in _pauses(timeout):
            ending = self._lookup.job_ending(self._id)
            if ending.state is not None:
                return self._result(ending, ending.state)
            time.sleep(pause)
        raise self._late(timeout)

    async def await_result(self, timeout: float | None = None) -> R_co:  # noqa: ASYNC109 - the contract's word
        """Wait until the job has ended and return its result, as `wait` does, leaving the event loop free."""
        for pause in _pauses(timeout):
            ending = await self._lookup.ajob_ending(self._id)
            if ending.state is not None:
                return self._result(ending, ending.state)
            await anyio.sleep(pause)
        raise self._late(timeout)

    def _result(self, ending: Ending, state: State) -> R_co:
        if state is not State.SUCCEEDED:
            raise JobFailed(self._id, state, ending.error_code, ending.error_message)
        result: R_co = ending.result  # type: ignore[assignment]
        return result

    def _late(self, timeout: float | None) -> WaitTimeoutError:
        return WaitTimeoutError(
            f"job {self._id} has not ended within {timeout} s; it goes on: wait longer, or see that a worker runs"
        )

    def __eq__(self, other: object) -> bool:
        """Say whether both are handles of one job."""
        return isinstance(other, Job) and other.id == self._id

    def __hash__(self) -> int:
        """Hash by the id."""
        return hash(self._id)

    def __repr__(self) -> str:
        """Show the id."""
        return f"Job({self._id})"


def _pauses(timeout: float | None) -> Iterator[float]:
    # the seconds to sleep after each look; the last, 0, comes when the time is over, for a last look
    end = None if timeout is None else time.monotonic() + timeout
    pause = FIRST_PAUSE_SECONDS
    while end is None or (left := end - time.monotonic()) > 0:
        yield pause if end is None else min(pause, left)
        pause = min(pause * 1.5, LONGEST_PAUSE_SECONDS)
    yield 0
