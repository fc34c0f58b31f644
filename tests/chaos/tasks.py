"""The chaos app: small tasks of every kind that write the ledger as they begin and as they end."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import anyio

from chaos.ledger import Ledger
from pgflow import App, Context, JobError, Snooze

if TYPE_CHECKING:
    from collections.abc import Iterator

app = App("chaos")


@app.task(bind=True, queue="quick")
async def quick(job: Context) -> None:
    with noted(job):
        await anyio.sleep(0)


@app.task(bind=True, queue="quick", keep_result=True)
async def keeping(job: Context) -> dict[str, Any]:
    with noted(job):
        return {"token": job.headers["token"], "attempt": job.attempt}


@app.task(bind=True, queue="threads")
def threaded(job: Context) -> None:
    with noted(job):
        time.sleep(0.005)


@app.task(bind=True, queue="processes", executor="process")
def elsewhere(job: Context) -> None:
    with noted(job):
        sum(range(10_000))


@app.task(bind=True, queue="flaky", retry_policy=0.3)
async def flaky(job: Context, failures: int) -> None:
    with noted(job):
        if job.spent < failures:
            raise RuntimeError(f"failure {job.spent + 1} of {failures}")


@app.task(bind=True, queue="flaky")
async def snoozing(job: Context) -> None:
    with noted(job):
        if job.attempt == 1:
            raise Snooze(0.5)


@app.task(bind=True, queue="flaky")
async def dying(job: Context) -> None:
    with noted(job):
        raise JobError("BAD_PAYLOAD", "it is meant to die", retryable=False)


@app.task(bind=True, queue="slow")
async def slow(job: Context, seconds: float) -> None:
    with noted(job):
        await anyio.sleep(seconds)


@app.task(bind=True, queue="slow")
def slow_thread(job: Context, seconds: float) -> None:
    with noted(job):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not job.cancelled:
            time.sleep(0.05)


@app.task(bind=True, queue="limited")
async def limited(job: Context) -> None:
    with noted(job):
        await anyio.sleep(0.05)


LIMITS = {"limited": 3}


@contextmanager
def noted(job: Context) -> Iterator[None]:
    """Write down that a run began, and that it reached its end where it did."""
    about = {"token": job.headers.get("token"), "job_id": job.job_id, "attempt": job.attempt}
    ledger = _ledger(os.getpid())
    ledger.note("began", worker=str(os.getpid()), **about)
    yield
    ledger.note("ended", **about)


@cache
def _ledger(pid: int) -> Ledger:
    # by pid, as a forked child writes a file of its own
    return Ledger(os.environ["CHAOS_LEDGER"])
