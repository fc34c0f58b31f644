"""The jobs that benchmarks run: most do nothing, so that all that is measured is pgflow."""

from __future__ import annotations

import time
from typing import Any, Final

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
    for function in (nothing, nothing_in_thread, note_start):
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


async def fail_once(job: Context, payload: Any) -> None:  # noqa: ARG001 - the shape of the others
    """Fail at first, and succeed when tried again."""
    if not job.spent:
        msg = "the first run of each of these jobs fails"
        raise ConnectionError(msg)
