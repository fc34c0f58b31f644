"""What a stretch of work cost: wall time, CPU of the clients and of PostgreSQL, WAL, and the most memory held."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from pgflow.bench import processes
from pgflow.store.pool import Pool
from pgflow.store.statement import Query, Statement, all_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

SAMPLE_SECONDS: Final = 0.1
LOOKS_MOST: Final = 10
MICRO: Final = 1e6
SERVER: Final = Query("bench/server", "select pg_backend_pid()")
OTHERS: Final = Query(
    "bench/others",
    "select pid from pg_stat_activity where datname <> current_database() or pid = pg_backend_pid()",
)
# what is in the buffers is written later: where the last insert stands is what counts
WAL: Final = Query("bench/wal", "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint")


@dataclass(frozen=True, slots=True)
class Cost:
    """Totals of a stretch, in seconds and bytes.

    `server_cpu` is None where the server is on another machine, `wal` where there is no PostgreSQL. `rss_bytes` is the
    sum of what each client process held at most.
    """

    wall: float
    client_cpu: float
    server_cpu: float | None
    wal: int | None
    rss_bytes: int

    def line(self, jobs: int) -> str:
        """Say it for each job."""
        figures = self.figures(jobs)
        places = {"jobs_per_sec": ",.0f", "wal_bytes_per_job": ".0f"}
        return " ".join(
            f"{name}={'-' if value is None else format(value, places.get(name, '.1f'))}"
            for name, value in figures.items()
        )

    def figures(self, jobs: int) -> dict[str, float | None]:
        """Give it for each job: CPU in µs, WAL in bytes; memory in MB."""
        client = self.client_cpu / jobs * MICRO
        server = None if self.server_cpu is None else self.server_cpu / jobs * MICRO
        return {
            "jobs_per_sec": jobs / self.wall,
            "cpu_us_per_job": None if server is None else client + server,
            "client_cpu_us_per_job": client,
            "server_cpu_us_per_job": server,
            "wal_bytes_per_job": None if self.wal is None else self.wal / jobs,
            "rss_mb": self.rss_bytes / MICRO,
        }


class Meter:
    """Measures the block it is entered for; `cost` is there behind it.

    The clients are this process, or the trees of `pids`, which have to live until the block ends. The server is the
    PostgreSQL of `dsn`: its whole tree of processes, those that end meanwhile among them, but not the sessions of other
    databases; or else the trees of `server_pids`. Without `dsn` no WAL is counted.
    """

    def __init__(
        self, dsn: str | None, pids: Iterable[int] | None = None, *, server_pids: Iterable[int] | None = None
    ) -> None:
        self._pool = None if dsn is None else Pool(dsn, size=1)
        self._clients = _Clients(None if pids is None else list(pids))
        self._server = _Server(self._pool, None if server_pids is None else list(server_pids))
        self._cost: Cost | None = None

    @property
    def cost(self) -> Cost:
        """What the block cost. Raises `RuntimeError` before its end."""
        if self._cost is None:
            msg = "the cost is known behind the block: with Meter(…) as meter: …"
            raise RuntimeError(msg)
        return self._cost

    def __enter__(self) -> Self:
        """Start."""
        self._before = (self._wal(), self._server.cpu(), self._clients.start(), time.monotonic())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, and keep the cost."""
        ended, (client, rss) = time.monotonic(), self._clients.stop()
        wal_before, server_before, client_before, began = self._before
        server, wal = self._server.spent_since(server_before), self._wal()
        if self._pool is not None:
            self._pool.close()
        written = None if wal is None or wal_before is None else wal - wal_before
        self._cost = Cost(ended - began, client - client_before, server, written, rss)

    def _wal(self) -> int | None:
        return None if self._pool is None else int(_ask(self._pool, WAL)[0][0])


class _Clients:
    """The CPU and memory of this process, or of the trees of others, which are looked at every 0.1 s."""

    def __init__(self, pids: list[int] | None) -> None:
        self._pids = pids
        self._cpu: dict[int, float] = {}
        self._peaks: dict[int, int] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample_for_ever, name="pgflow-meter", daemon=True)

    def start(self) -> float:
        """Give the CPU so far."""
        for pid in processes.tree(self._pids) if self._pids is not None else [os.getpid()]:
            processes.forget_peak(pid)
        if self._pids is None:
            return time.process_time()
        self._sample()
        self._thread.start()
        return sum(self._cpu.values())

    def stop(self) -> tuple[float, int]:
        """Give the CPU so far, and the memory."""
        if self._pids is None:
            return time.process_time(), processes.peak_rss(os.getpid())
        self._over.set()
        self._thread.join()
        self._sample()
        return sum(self._cpu.values()), sum(self._peaks.values())

    def _sample_for_ever(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._sample()

    def _sample(self) -> None:
        found = {pid: processes.stat(pid) for pid in processes.tree(self._pids or ())}
        alive = {pid: one for pid, one in found.items() if one is not None}
        for pid, one in alive.items():
            self._cpu[pid] = one.cpu + one.cpu_of_ended
            self._peaks[pid] = max(processes.peak_rss(pid), self._peaks.get(pid, 0))
        for pid in self._cpu.keys() - alive.keys() - set(self._pids or ()):
            del self._cpu[pid]  # whoever waited for it has its CPU now


class _Server:
    """The CPU of a server's processes, as far as they are on this machine."""

    def __init__(self, pool: Pool | None, pids: list[int] | None) -> None:
        self._pool = pool
        self._pids = pids
        self._foreign: set[int] = set()

    def cpu(self) -> dict[int, float] | None:
        """Give the CPU so far of each process of the server."""
        roots = self._roots()
        if roots is None:
            return None
        if self._pool is not None and self._pids is None:
            self._foreign.update(row[0] for row in _ask(self._pool, OTHERS))
        return _cpu_of_tree(roots)

    def spent_since(self, before: dict[int, float] | None) -> float | None:
        """Give the CPU since such an answer: what ended meanwhile is counted where it was waited for."""
        now = self.cpu()
        if before is None or now is None:
            return None
        return sum(now.values()) - sum(before.values()) - self._apart(before, now)

    def _apart(self, before: dict[int, float], now: dict[int, float]) -> float:
        # of other databases' sessions; one that has ended is in the count of the ended
        return sum(now.get(pid, 0.0) - before.get(pid, 0.0) for pid in self._foreign if pid in now)

    def _roots(self) -> list[int] | None:
        if self._pids is not None:
            return self._pids
        if self._pool is None or not processes.HAS_PROC:
            return None
        own = processes.stat(int(_ask(self._pool, SERVER)[0][0]))
        parent = None if own is None else processes.stat(own.parent)
        # on another machine, the number is nobody's here, or a stranger's
        is_here = own is not None and parent is not None and own.name == parent.name and "postgres" in own.name
        return [own.parent] if is_here and own is not None else None


def _cpu_of_tree(roots: list[int]) -> dict[int, float]:
    found: dict[int, float] = {}
    for _ in range(LOOKS_MOST):
        stats = {pid: processes.stat(pid) for pid in processes.tree(roots)}
        found = {pid: one.cpu + one.cpu_of_ended for pid, one in stats.items() if one is not None}
        # one that ended meanwhile is in neither: itself it is gone, and its parent was read before
        if found.keys() == set(processes.tree(roots)):
            break
    return found


def _ask(pool: Pool, query: Query) -> list[tuple[Any, ...]]:
    return pool.run(Statement(query, {}, all_rows))
