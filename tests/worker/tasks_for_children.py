"""Tasks that child processes import."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

from pgflow import App, Context, JobError, Retry, Snooze

app = App("children")
wrapped: list[str] = []


@app.middleware
def noted(job: Context) -> Iterator[None]:
    """Note each run in the process it runs in."""
    wrapped.append(f"{job.task} {job.attempt}")
    yield


@app.task(executor="process", keep_result=True)
def look() -> list[str]:
    """Say which runs were wrapped in this process."""
    return wrapped


@app.task(executor="process", keep_result=True)
def add(a: int, b: int) -> list[int]:
    """Return the sum, and the process that made it."""
    return [a + b, os.getpid()]


@app.task(executor="process", max_attempts=2, retry_policy=0.01)
def fall() -> None:
    """Die as a segfault does."""
    os.kill(os.getpid(), signal.SIGSEGV)


@app.task(executor="process", max_attempts=1, timeout=0.3)
def loop() -> None:
    """Never end."""
    while True:
        threading.Event().wait(1)


@app.task(executor="process", bind=True, keep_result=True, max_attempts=9)
def turn(context: Context, how: str) -> int:
    """End in the way asked for, the first time."""
    if context.attempt == 1:
        if how == "retry":
            raise Retry(delay=0.01)
        if how == "snooze":
            raise Snooze(0.01)
        raise JobError("SPECIAL", "said the child", retryable=False)
    return context.spent
