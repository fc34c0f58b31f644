"""Tasks that harm who runs them, and one that does not."""

from __future__ import annotations

import _thread
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import anyio

from pgflow import App, JobError

app = App("poison")


@app.task(name="fine")
async def fine(n: int) -> int:
    """Succeed."""
    await anyio.sleep(0.005)
    return n


@app.task(name="fine-thread")
def fine_thread(n: int) -> int:
    """Succeed in a thread."""
    return n


class Unprintable(Exception):  # noqa: N818
    """Its text ends the interpreter."""

    def __str__(self) -> str:
        raise SystemExit(3)


class Leaving(BaseException):
    """No Exception at all."""


class Refusing:
    """Leaves when it is to be written down."""

    def model_dump(self) -> NoReturn:
        """Leave."""
        raise SystemExit(4)

    def __iter__(self) -> Iterator[int]:
        raise SystemExit(4)


def _descend(n: int) -> int:
    return 1 + _descend(n + 1)


def _fork_and_come_back() -> None:
    child = os.fork()
    if child:
        os.waitpid(child, 0)


def _disturb_other_threads() -> None:
    import ctypes

    for thread in threading.enumerate():
        if thread.name.startswith("pgflow-slot") and thread is not threading.current_thread():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))


def _raise(error: BaseException) -> NoReturn:
    raise error


HARMLESS: dict[str, Any] = {
    "sys-exit": lambda: sys.exit(3),
    "thread-exit": _thread.exit,
    "unprintable": lambda: _raise(Unprintable()),
    "base-exception": lambda: _raise(Leaving("gone")),
    "recursion": lambda: _descend(0),
    "memory": lambda: bytearray(1 << 60),
    "code-nul": lambda: _raise(JobError("A\0B", "a NUL in a code")),
    "code-surrogate": lambda: _raise(JobError("A\ud800", "half a character in a code")),
    "nul": lambda: {"here": "a\0b"},
    "surrogate": lambda: ["\ud800"],
    "nan": lambda: [float("nan")],
    "huge": lambda: "x" * 100_000_000,
    "refusing": Refusing,
    "never-finished": lambda: anyio.sleep(0),
    "generator": lambda: (n for n in range(3)),
}
"""What ends as a failure of the job itself, in whatever it runs."""


@app.task(name="harm-async", keep_result=True, max_attempts=1)
async def harm_async(how: str) -> Any:
    """Do harm on the event loop."""
    return HARMLESS[how]()


@app.task(name="harm-thread", keep_result=True, max_attempts=1)
def harm_thread(how: str) -> Any:
    """Do harm in a thread."""
    return HARMLESS[how]()


@app.task(name="harm-process", keep_result=True, max_attempts=1, executor="process")
def harm_process(how: str) -> Any:
    """Do harm in a child process."""
    return HARMLESS[how]()


IN_CHILD: dict[str, Any] = {
    "exit": lambda: os._exit(7),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "close-files": lambda: os.closerange(3, 256),
}


@app.task(name="die-in-child", max_attempts=1, executor="process")
def die_in_child(how: str) -> None:
    """End the child process."""
    IN_CHILD[how]()


@app.task(name="orphan", max_attempts=1, executor="process")
def orphan() -> None:
    """Leave the process to a fork of it that lives on."""
    if os.fork():
        os._exit(8)
    time.sleep(60)


@app.task(name="fork-async")
async def fork_async() -> None:
    """Fork, and come back twice."""
    _fork_and_come_back()


@app.task(name="fork-thread")
def fork_thread() -> None:
    """The same in a thread."""
    _fork_and_come_back()


@app.task(name="deafen")
async def deafen() -> None:
    """Take the signals away from the worker."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])


@app.task(name="disturb")
def disturb() -> None:
    """Throw SystemExit into every other slot's thread."""
    _disturb_other_threads()


DEADLY: dict[str, Any] = {
    "exit": lambda: os._exit(7),
    "segfault": lambda: os.kill(os.getpid(), signal.SIGSEGV),
    "out-of-memory": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "close-files": lambda: (os.closerange(3, 256), time.sleep(60)),
}
"""What ends the worker's process."""


@app.task(name="die-async", max_attempts=2)
async def die_async(how: str) -> None:
    """Take the worker's process down from the event loop."""
    DEADLY[how]()


@app.task(name="die-thread", max_attempts=2)
def die_thread(how: str) -> None:
    """The same from a thread."""
    DEADLY[how]()


@app.task(name="spin", max_attempts=2)
async def spin(seconds: float = 3600) -> None:
    """Hold the event loop up."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


@app.task(name="hog", max_attempts=2)
def hog() -> None:
    """Keep Python's lock in native code."""
    Path("hog").touch()
    re.match(r"(a+)+$", "a" * 64 + "b")


@app.task(name="rest")
async def rest(seconds: float) -> None:
    """Wait on the event loop."""
    Path(f"rest-{os.getpid()}").touch()  # noqa: ASYNC240 - a test looks for it
    await anyio.sleep(seconds)
