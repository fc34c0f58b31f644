"""Tasks for the tests of the command line."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import anyio

from pgflow import App, JobError

app = App("cli-tests")


def mark() -> None:
    """Show that a job has begun, in the worker's directory."""
    Path("held").touch()


@app.task(keep_result=True)
async def add(a: int, b: int = 1) -> int:
    """Succeed."""
    return a + b


@app.task(sensitive=("card",))
def pay(order: int, card: int) -> None:
    """Take an argument that is never shown."""


@app.task(queue="mail")
def fail(text: str) -> None:
    """Die at once."""
    raise JobError("BAD_DAY", text, retryable=False)


@app.task(max_attempts=2, retry_policy=3600)
async def fail_later() -> None:
    """Fail, and come back in an hour."""
    msg = "not today"
    raise ValueError(msg)


@app.task
async def rest(seconds: float) -> None:
    """Wait on the event loop."""
    mark()
    await anyio.sleep(seconds)


@app.task
async def hold_loop(seconds: float) -> None:
    """Block the event loop, as no task should."""
    mark()
    time.sleep(seconds)  # noqa: ASYNC251


@app.task
def hold_thread(seconds: float) -> None:
    """Block a thread."""
    mark()
    time.sleep(seconds)


@app.task
def leave_thread(seconds: float) -> None:
    """Leave a thread behind that holds the interpreter up."""
    threading.Thread(target=time.sleep, args=[seconds]).start()


@app.task(executor="process")
def hold_process(seconds: float) -> None:
    """Block a child process."""
    mark()
    time.sleep(seconds)


@app.task
def crash() -> None:
    """Kill the worker's process, once."""
    mark = Path("crashed")
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
