"""The jobs that benchmarks run: most do nothing, so that all that is measured is pgflow."""

from __future__ import annotations

import time
from typing import Any, Final

import anyio

from pgflow.app import App
from pgflow.retry import Fixed
from pgflow.task import Context

QUEUE: Final = "bench"
RETRY_SECONDS: Final = 0.1

starts: list[tuple[int, float]] = []
"""When the jobs of `note_start` began, by `time.monotonic()`, which all processes of a machine share."""


def make_app(**settings: Any) -> App:
    """Make an app of these tasks; its settings outrank the environment."""
    app = App("bench", **settings)
    for function in (nothing, nothing_in_thread, note_start, rest, work):
        app.task(queue=QUEUE, name=function.__name__)(function)
    app.task(queue=QUEUE, name="fail_once", bind=True, retry_policy=Fixed(RETRY_SECONDS))(fail_once)
    return app


async def nothing(payload: Any) -> None:
    """Do nothing, on the event loop."""


def nothing_in_thread(payload: Any) -> None:
    """Do nothing, in a thread."""


async def note_start(number: int) -> None:
    """Note when this job's own code began."""
    starts.append((number, time.monotonic()))


async def rest(milliseconds: float) -> None:
    """Wait, as for an answer from elsewhere: the worker's slots are the limit."""
    await anyio.sleep(milliseconds / 1000)


async def work(steps: int) -> None:
    """Keep the worker's own core busy: about 4 us for 100 steps."""
    sum(step * step for step in range(steps))


async def fail_once(job: Context, payload: Any) -> None:  # noqa: ARG001 - the shape of the others
    """Fail at first, and succeed when tried again."""
    if not job.spent:
        msg = "the first run of each of these jobs fails"
        raise ConnectionError(msg)
