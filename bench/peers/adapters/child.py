"""What every adapter's process shares: commands in, answers out, and the ledger that counts each job's runs."""

from __future__ import annotations

import importlib.util
import inspect
import json
import mmap
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskGroup

URL: Final = os.environ.get("BENCH_URL", "")
STAMP_BYTES: Final = 8


class Adapter(Protocol):
    """A system, as its users use it. `one` and `many` number their jobs from `first`; methods may be coroutines."""

    def setup(self) -> Any:
        """Make the system's tables."""

    def open(self) -> Any:
        """Connect, so that what follows is work alone."""

    def one(self, first: int, jobs: int) -> Any:
        """Enqueue one by one, each in a commit of its own."""

    def many(self, first: int, jobs: int) -> Any:
        """Enqueue in the fastest way there is."""

    def start(self, group: TaskGroup, until: int) -> Any:
        """Begin to work, and return; `until` jobs will have run in all."""

    def stop(self) -> Any:
        """Stop working in an orderly way."""


def tuned(**best: Any) -> dict[str, Any]:
    """Give a system's best settings; BENCH_TUNE, as JSON, overrides them, to find out which are."""
    return {**best, **json.loads(os.environ.get("BENCH_TUNE", "{}"))}


def noter() -> Callable[[int], None]:
    """Make what a handler calls with its job's number: it counts the run, and notes when every so-many-th began.

    The ledger is a file mapped by all processes of a system: a byte a job, then eight for each stamp.
    """
    jobs, every = int(os.environ["BENCH_JOBS"]), int(os.environ["BENCH_STAMP_EVERY"])
    with Path(os.environ["BENCH_LEDGER"]).open("r+b") as file:
        seen = mmap.mmap(file.fileno(), 0)
    stamps = memoryview(seen)[-(-jobs // STAMP_BYTES) * STAMP_BYTES :].cast("Q")
    clock = time.monotonic_ns

    def note(n: int) -> None:
        seen[n] += 1
        if not n % every:
            stamps[n // every] = clock()

    return note


def main(adapter: Adapter, *, backend: str = "asyncio", uvloop: bool = True) -> None:
    """Answer one command a line until there are no more; the last argument `setup` only makes the tables."""
    uvloop = uvloop and backend == "asyncio" and importlib.util.find_spec("uvloop") is not None
    options = {"use_uvloop": True} if uvloop else {}
    anyio.run(_setup if sys.argv[-1] == "setup" else _serve, adapter, backend=backend, backend_options=options)


async def _setup(adapter: Adapter) -> None:
    await _settled(adapter.setup())


async def _serve(adapter: Adapter) -> None:
    await _settled(adapter.open())
    _say({"ready": True})
    async with anyio.create_task_group() as group:
        while line := await anyio.to_thread.run_sync(sys.stdin.readline):
            _say(await _obey(adapter, group, **json.loads(line)))
        group.cancel_scope.cancel()


async def _obey(adapter: Adapter, group: TaskGroup, *, do: str, **given: int) -> dict[str, Any]:
    if do == "paced":
        return {"sent": await _paced(adapter, **given)}
    given = {**given, "group": group} if do == "start" else given  # type: ignore[dict-item]
    began = time.monotonic()
    await _settled(getattr(adapter, do)(**given))
    return {"seconds": time.monotonic() - began}


async def _paced(adapter: Adapter, jobs: int, first: int, rate: int) -> list[tuple[int, int]]:
    """Enqueue at a steady rate; give for each job when it was asked for and when that was answered, in ns."""
    sent, began = [], time.monotonic()
    for number in range(jobs):
        await anyio.sleep(max(0.0, began + number / rate - time.monotonic()))
        asked = time.monotonic_ns()
        await _settled(adapter.one(first + number, 1))
        sent.append((asked, time.monotonic_ns()))
    return sent


async def _settled(answer: Any) -> None:
    if inspect.isawaitable(answer):
        await answer


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
