"""Jobs that do harm: each kind of death, loop, hog and monster, and how the culprit is to end."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from chaos.tasks import app, noted
from pgflow import Context

# no core files; and an address space such as a container gives: what a job takes beyond it is refused to it
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
MEMORY_BYTES = int(os.environ.get("CHAOS_MEMORY_BYTES", "0"))
if MEMORY_BYTES:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))

CODES = "MAX_ATTEMPTS_EXCEEDED"
CRASHED = "WORKER_CRASHED"
NON_RETRYABLE = "NON_RETRYABLE"
TWICE: Any = {"bind": True, "queue": "poison", "max_attempts": 2, "retry_policy": 0.1}


class Unreadable(Exception):  # noqa: N818 - a poison's name
    def __str__(self) -> str:
        raise RuntimeError("no message")


@app.task(**TWICE)
async def exits(job: Context) -> None:
    with noted(job):
        os._exit(3)


@app.task(**TWICE)
def segfaults(job: Context) -> None:
    with noted(job):
        ctypes.string_at(0)


@app.task(**TWICE, executor="process")
def segfaults_elsewhere(job: Context) -> None:
    with noted(job):
        ctypes.string_at(0)


@app.task(**TWICE, executor="process")
def is_killed(job: Context) -> None:
    # as the kernel does when memory is out
    with noted(job):
        os.kill(os.getpid(), signal.SIGKILL)


@app.task(**TWICE)
async def asks_to_exit(job: Context) -> None:
    with noted(job):
        sys.exit(1)


@app.task(**TWICE)
def interrupts(job: Context) -> None:
    with noted(job):
        raise KeyboardInterrupt


@app.task(**TWICE)
def takes_memory(job: Context) -> None:
    with noted(job):
        bytearray(64 * MEMORY_BYTES)


@app.task(**TWICE, executor="process")
def takes_all_memory(job: Context) -> None:
    # all there is left for its process, bit by bit
    before = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 200_000_000, before[1]))
    taken = []
    try:
        with noted(job):
            while True:
                taken.append(bytearray(1_000_000))
    finally:
        taken.clear()
        resource.setrlimit(resource.RLIMIT_AS, before)


@app.task(**TWICE, timeout=1)
async def loops(job: Context) -> None:
    with noted(job):
        while True:
            await anyio.sleep(0)


@app.task(**TWICE, timeout=1)
def loops_in_a_thread(job: Context) -> None:
    with noted(job):
        end = time.monotonic() + 4
        while time.monotonic() < end:
            time.sleep(0.01)


@app.task(**TWICE, timeout=1, executor="process")
def loops_elsewhere(job: Context) -> None:
    with noted(job):
        while True:
            pass


@app.task(**TWICE, timeout=1)
def hogs(job: Context) -> None:
    # one call into C that does not let go of the interpreter until long after the lease
    with noted(job):
        ctypes.PyDLL(None).sleep(8)


@app.task(**TWICE, timeout=1)
async def blocks_the_loop(job: Context) -> None:
    with noted(job):
        time.sleep(6)  # noqa: ASYNC251 - it is what must not be done


@app.task(**TWICE, timeout=1)
async def never_lets_go(job: Context) -> None:
    with noted(job):
        while True:
            pass


@app.task(**TWICE, keep_result=True)
async def returns_a_monster(job: Context, kind: str) -> Any:
    ring: list[Any] = []
    ring.append(ring)
    monsters = {"object": object(), "nan": float("nan"), "ring": ring, "nul": "\0", "surrogate": "\ud800"}
    with noted(job):
        return monsters[kind]


@app.task(**TWICE)
async def says_too_much(job: Context) -> None:
    with noted(job):
        raise RuntimeError("x" * 20_000_000)


@app.task(**TWICE)
async def says_what_cannot_be_stored(job: Context) -> None:
    with noted(job):
        raise RuntimeError("\0 and \ud800")


@app.task(**TWICE)
async def says_nothing(job: Context) -> None:
    with noted(job):
        raise Unreadable


@app.task(**TWICE)
def goes_too_deep(job: Context) -> None:
    def deeper() -> None:
        deeper()

    with noted(job):
        deeper()


class Fate(NamedTuple):
    """How a poisonous job has to end: the reason of its dead letter, and the code of its last error."""

    reason: str
    codes: tuple[str, ...]


DIES_OF_IT = Fate(CODES, ("UNKNOWN",))
REFUSED = Fate(NON_RETRYABLE, ("BAD_PAYLOAD",))
HELD_ON = Fate("", ())
FATES: dict[str, Fate] = {
    "hogs": HELD_ON,
    "blocks_the_loop": HELD_ON,
    "never_lets_go": Fate(CRASHED, ("LEASE_EXPIRED",)),
    "exits": Fate(CRASHED, ("LEASE_EXPIRED",)),
    "segfaults": Fate(CRASHED, ("LEASE_EXPIRED",)),
    "segfaults_elsewhere": Fate(CODES, ("PANIC",)),
    "is_killed": Fate(CODES, ("PANIC",)),
    "asks_to_exit": DIES_OF_IT,
    "interrupts": DIES_OF_IT,
    "takes_memory": DIES_OF_IT,
    "takes_all_memory": Fate(CODES, ("UNKNOWN", "PANIC")),
    "loops": Fate(CODES, ("TIMEOUT",)),
    "loops_in_a_thread": Fate(CODES, ("TIMEOUT",)),
    "loops_elsewhere": Fate(CODES, ("TIMEOUT",)),
    "says_too_much": DIES_OF_IT,
    "says_what_cannot_be_stored": DIES_OF_IT,
    "says_nothing": DIES_OF_IT,
    "goes_too_deep": DIES_OF_IT,
}
DEADLY = frozenset({"exits", "segfaults", "never_lets_go", "hogs", "blocks_the_loop"})
"""What takes its worker down, or its leases, and all that runs beside it."""

MONSTERS = ("object", "nan", "ring", "nul", "surrogate")
