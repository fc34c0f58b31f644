"""What /proc tells of processes: their CPU, their children, their memory. Linux alone; elsewhere it knows nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

PROC: Final = Path("/proc")
TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
HAS_PROC: Final = PROC.joinpath("self", "stat").exists()
FORGET_PEAK: Final = "5"


class Stat(NamedTuple):
    """A line of /proc: CPU in seconds, that of children that have ended apart."""

    name: str
    parent: int
    cpu: float
    cpu_of_ended: float


def stat(pid: int) -> Stat | None:
    """Read a process, None where it is gone."""
    try:
        head, _, tail = PROC.joinpath(str(pid), "stat").read_text("utf-8").rpartition(")")
    except OSError:
        return None
    fields = tail.split()
    own, ended = (int(fields[11]) + int(fields[12])) / TICKS, (int(fields[13]) + int(fields[14])) / TICKS
    return Stat(head.partition("(")[2], int(fields[1]), _clock(pid, own), ended)


def tree(pids: Iterable[int]) -> list[int]:
    """Give these processes and all below them."""
    found: dict[int, None] = {}
    left = list(pids)
    while left:
        pid = left.pop()
        if pid not in found:
            found[pid] = None
            left += children(pid)
    return list(found)


def children(pid: int) -> list[int]:
    """Give the processes that a process has started and that have not ended."""
    found: list[int] = []
    try:
        for task in PROC.joinpath(str(pid), "task").iterdir():
            found += map(int, task.joinpath("children").read_text("ascii").split())
    except OSError:
        pass
    return found


def forget_peak(pid: int) -> None:
    """Begin a process's peak of memory anew, where that is allowed."""
    try:
        PROC.joinpath(str(pid), "clear_refs").write_text(FORGET_PEAK, "ascii")
    except OSError:
        return


def peak_rss(pid: int) -> int:
    """Give the most memory a process has held, in bytes; 0 where that is not known."""
    return _status(pid, "VmHWM:")


def rss(pid: int) -> int:
    """Give the memory a process holds, in bytes; 0 where that is not known."""
    return _status(pid, "VmRSS:")


def _status(pid: int, name: str) -> int:
    try:
        lines = PROC.joinpath(str(pid), "status").read_text("utf-8").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(name)), 0)


def _clock(pid: int, otherwise: float) -> float:
    # in nanoseconds, where /proc counts ticks of 10 ms: clock_getcpuclockid(3) makes this number of a process id
    try:
        return time.clock_gettime((~pid << 3) | 2)
    except OSError:
        return otherwise
