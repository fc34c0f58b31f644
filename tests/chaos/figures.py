"""What is sampled in a soak: memory and descriptors of processes, connections, dead tuples and sizes of tables."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, ClassVar, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.stage import Stage

PROC = Path("/proc")
MEGA = 1_000_000.0
TABLES = """
select c.relname, pg_total_relation_size(c.oid)::float8, coalesce(s.n_dead_tup, 0)::float8
from pg_class as c left join pg_stat_user_tables as s on s.relid = c.oid
where c.relnamespace = 'pgflow'::regnamespace and c.relname in ('ready', 'leases', 'scheduled', 'workers')
"""
CONNECTIONS = """
select count(*)::float8 from pg_stat_activity
where backend_type = 'client backend' and application_name like 'pgflow%%' and pid <> pg_backend_pid()
"""


class Flat(NamedTuple):
    """How much a figure may grow from the first of the time that counts to the last, and in what it is measured."""

    most: float
    unit: str
    is_sawtooth: bool = False


MEMORY = Flat(8.0, "MB")
DESCRIPTORS = Flat(4.0, "")
SOCKETS = Flat(3.0, "")
# autovacuum comes by once a minute and clears what 60 jobs a second leave meanwhile: the tops of the teeth are compared
DEAD = Flat(6_000.0, "rows", is_sawtooth=True)
SIZE = Flat(1.0, "MB", is_sawtooth=True)


class Series:
    """One figure over time."""

    HEAD: ClassVar[str] = (
        f"{'figure':<28} {'first':>10} {'last':>10} {'slope/min':>10} {'growth':>10} {'limit':>10} unit"
    )

    def __init__(self, name: str, flat: Flat) -> None:
        self.name = name
        self.flat = flat
        self.samples: list[tuple[float, float]] = []

    def add(self, at: float, value: float) -> None:
        """Add a sample."""
        self.samples.append((at, value))

    @property
    def slope(self) -> float:
        """Growth a second: the median of the slopes between all pairs of samples (Theil and Sen)."""
        thin = self.samples[:: max(1, len(self.samples) // 200)]
        pairs = [(a, b) for n, a in enumerate(thin) for b in thin[n + 1 :] if b[0] > a[0]]
        return median((b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs) if pairs else 0.0

    @property
    def growth(self) -> float:
        """How much it has grown over the time: by its slope, and a sawtooth from the top of one third to the last's."""
        if self.flat.is_sawtooth:
            third = max(1, len(self.samples) // 3)
            return _top(self.samples[-third:]) - _top(self.samples[:third])
        return self.slope * (self.samples[-1][0] - self.samples[0][0])

    @property
    def has_grown(self) -> bool:
        """True where it grew more than it may."""
        return self.growth > self.flat.most

    def line(self) -> str:
        """Say it in a line of the table."""
        third = max(1, len(self.samples) // 3)
        first, last = (median(value for _, value in part) for part in (self.samples[:third], self.samples[-third:]))
        figures = (first, last, 60 * self.slope, self.growth, self.flat.most)
        verdict = "  GROWN" if self.has_grown else ""
        return f"{self.name:<28} {' '.join(f'{figure:>10.2f}' for figure in figures)} {self.flat.unit}{verdict}"


def sample(stage: Stage, pids: Sequence[int]) -> dict[str, tuple[float, Flat]]:
    """Take every figure once."""
    figures: dict[str, tuple[float, Flat]] = {}
    families = _families(pids)
    for number, pid in enumerate(pids):
        family = families[pid]
        figures[f"worker {number}: memory"] = (sum(map(_resident, family)) / MEGA, MEMORY)
        figures[f"worker {number}: descriptors"] = (float(sum(map(_descriptors, family))), DESCRIPTORS)
    figures["connections"] = (stage.ask(CONNECTIONS)[0][0], SOCKETS)
    for table, size, dead in sorted(stage.ask(TABLES)):
        figures[f"{table}: size"] = (size / MEGA, SIZE)
        figures[f"{table}: dead tuples"] = (dead, DEAD)
    return figures


def _families(pids: Sequence[int]) -> dict[int, list[int]]:
    # a worker and the processes it runs jobs in
    children: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
            children[parent].append(int(entry.name))
    return {pid: [pid, *children[pid]] for pid in pids}


def _resident(pid: int) -> float:
    with contextlib.suppress(OSError):
        for line in (PROC / str(pid) / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return float(line.split()[1]) * 1024
    return 0.0


def _descriptors(pid: int) -> int:
    with contextlib.suppress(OSError):
        return sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    return 0


def _top(samples: Sequence[tuple[float, float]]) -> float:
    return max(value for _, value in samples)
