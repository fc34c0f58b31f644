"""The chaos app: small tasks of every kind that write the ledger as they begin and as they end."""

from __future__ import annotations

import os
import secrets
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import anyio

from chaos import cutting
from chaos.offering import Tokens, ledger, offered
from pgflow import App, Context, JobError, Snooze

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator

    from pgflow import Task

app = App("chaos", plugins=[Tokens()])
cutting.begin()

LIMITS = {"limited": 3}
"""The most jobs of a queue that may be in flight."""


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


@app.task(bind=True, queue="families")
async def parent(job: Context) -> None:
    with noted(job):
        child = child_of(job)
        with offered([child], "quick") as answer:
            answer.ids = [(await quick.aenqueue()).id]


@app.task(bind=True, queue="families")
def parent_thread(job: Context) -> None:
    with noted(job):
        child = child_of(job)
        with offered([child], "quick") as answer:
            answer.ids = [quick.enqueue().id]


def child_of(job: Context) -> str:
    """Make the token of a job that a job asks for: one of its own for each run, of a replay too."""
    return f"{job.job_id}/{job.attempt}/{secrets.token_hex(4)}"


@contextmanager
def noted(job: Context) -> Iterator[None]:
    """Write down that a run began, and that it reached its end where it did."""
    about = {"token": job.headers.get("token"), "job_id": job.job_id, "attempt": job.attempt}
    ledger().note("began", worker=str(os.getpid()), **about)
    yield
    ledger().note("ended", **about)


Call = tuple["Task[..., Any]", tuple[Any, ...]]
CALLS: dict[str, Callable[[random.Random], Call]] = {
    "quick": lambda _: (quick, ()),
    "keeping": lambda _: (keeping, ()),
    "threaded": lambda _: (threaded, ()),
    "elsewhere": lambda _: (elsewhere, ()),
    "flaky": lambda dice: (flaky, (dice.randrange(1, 4),)),
    "snoozing": lambda _: (snoozing, ()),
    "dying": lambda _: (dying, ()),
    "slow": lambda dice: (slow, (dice.uniform(1, 3),)),
    "slow_thread": lambda dice: (slow_thread, (dice.uniform(1, 2),)),
    "limited": lambda _: (limited, ()),
    "parent": lambda _: (parent, ()),
    "parent_thread": lambda _: (parent_thread, ()),
}
MIX: dict[str, float] = {
    "quick": 36, "keeping": 10, "threaded": 15, "elsewhere": 6, "flaky": 8, "snoozing": 4, "dying": 3, "slow": 3,
    "slow_thread": 2, "limited": 9, "parent": 2, "parent_thread": 2,
}  # fmt: skip
"""Of a hundred jobs, how many are of which kind."""
