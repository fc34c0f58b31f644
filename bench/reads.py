"""Reads: how fast the admin answers with two million jobs in the tables, and what a drain loses by it.

python -m bench.reads --jobs 2000000

Uses the database PGFLOW_BENCH_DATABASE_URL names, which it fills where it holds no job, or a server of its own in a
temporary directory. Every question is asked in turn, so that none finds the caches of a second warm by itself. On a
machine with other work to do the times say little; the CPU of this process and its backends says more.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx
import psycopg

from bench.filling import fill
from bench.questions import Question, questions
from pgflow import App
from pgflow.plugins.admin.address import Address
from pgflow.plugins.admin.server import Server
from pgflow.plugins.metrics import minutes
from pgflow.store import embedded
from pgflow.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

SLOW_MS: Final = 200.0
ROUND_JOBS: Final = 20_000
ALONE_SECONDS: Final = 15.0
BACKENDS: Final = "select pid from pg_stat_activity where datname = current_database() and application_name = 'pgflow'"
LARGEST_FAMILY: Final = (
    "select root_id from pgflow.jobs where root_id is not null group by 1 order by count(*) desc limit 1"
)


@dataclass(slots=True)
class Answers:
    """How one question was answered: its times, the CPU of each in the mean, and how many rows the last answer had."""

    question: Question
    ms: list[float] = field(default_factory=list)
    cpu_ms: float = 0.0
    rows: str = ""

    def at(self, share: float) -> float:
        """The time within which such a share of the answers came, ms."""
        return sorted(self.ms)[math.ceil(share * len(self.ms)) - 1]


@dataclass(frozen=True, slots=True)
class Round:
    """One drain: when it ended, of how many jobs it was, how long it took, and the CPU of its process."""

    ended: float
    jobs: int
    wall: float
    cpu: float


def main() -> None:
    """Fill, ask, drain, ask beside a drain; print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--jobs", type=int, default=2_000_000, help="jobs to fill an empty database with")
    parser.add_argument("--times", type=int, default=20, help="how often each question is asked")
    parser.add_argument("--rate", type=float, default=20.0, help="questions a second beside the drain; 0: no pause")
    given = parser.parse_args()
    with _database() as dsn:
        app = App("bench", dsn=dsn)
        migrate(app.pool, app.migrations)
        with psycopg.connect(dsn) as conn:
            if not conn.execute("select from pgflow.jobs limit 1").fetchall():
                fill(dsn, given.jobs)
            root = str(conn.execute(LARGEST_FAMILY).fetchall()[0][0])
        while app.pool.together(minutes.keep):
            pass  # a worker keeps an hour of them in each round of its maintenance
        asgi: Any = app.admin_asgi()
        server = Server(asgi, Address("127.0.0.1", 0))
        server.start()
        try:
            with httpx.Client(base_url=server.url, timeout=30) as client:
                asked = questions(client, root)
                _report_missing(asgi, asked)
                with _counting_cpu(dsn) as cpu_ms:
                    quiet = _ask(client, asked, given.times, 0.0, cpu_ms)
                with _draining(dsn) as rounds:
                    time.sleep(ALONE_SECONDS)
                    begun = time.monotonic()
                    beside = _ask(client, asked, given.times, given.rate)
                    ended = time.monotonic()
                    time.sleep(ALONE_SECONDS)
        finally:
            server.stop()
            app.close()
    _print_answers(quiet, beside)
    _print_rounds(rounds, begun, ended)


@contextmanager
def _database() -> Iterator[str]:
    dsn = os.environ.get("PGFLOW_BENCH_DATABASE_URL")
    if dsn:
        yield dsn
        return
    with tempfile.TemporaryDirectory() as directory, embedded.acquire(Path(directory)) as server:
        yield server.url


@contextmanager
def _counting_cpu(dsn: str) -> Iterator[Callable[[], float]]:
    """Give what reads the CPU so far of this process and of its backends, ms; of theirs only where it may be seen."""
    with psycopg.connect(dsn, autocommit=True) as conn:

        def cpu_ms() -> float:
            backends = [_cpu_ns(pid) for (pid,) in conn.execute(BACKENDS)]
            return time.process_time() * 1000 + sum(backends) / 1e6

        yield cpu_ms


def _cpu_ns(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except OSError:
        return 0


def _ask(
    client: httpx.Client, asked: Sequence[Question], times: int, rate: float, cpu_ms: Callable[[], float] = float
) -> list[Answers]:
    answers = [Answers(question) for question in asked]
    due = time.monotonic()
    for number in range(times + 1):
        for answer in answers:
            time.sleep(max(0.0, due - time.monotonic()))
            spent, begun = cpu_ms(), time.perf_counter()
            response = client.get(answer.question.address)
            took = (time.perf_counter() - begun) * 1000
            if number:  # the first round opens connections and plans
                answer.ms.append(took)
                answer.cpu_ms += (cpu_ms() - spent) / times
            answer.rows = _rows_of(response)
            due = max(due + 1 / rate, time.monotonic()) if rate else due
    return answers


def _rows_of(response: httpx.Response) -> str:
    if response.status_code != httpx.codes.OK:
        return f"status {response.status_code}"
    body = response.json() if response.headers["content-type"].startswith("application/json") else None
    if not isinstance(body, dict) or not isinstance(body.get("items"), list):
        return ""
    return f"{len(body['items'])}{' so far' if body.get('scanned_to') else ''}"


def _report_missing(asgi: Any, asked: Sequence[Question]) -> None:
    known = {question.endpoint for question in asked}
    left = sorted(one.path for one in asgi.endpoints if one.method == "GET" and one.path not in known)
    print(f"not asked: {', '.join(left) or 'nothing'}", flush=True)


@contextmanager
def _draining(dsn: str) -> Iterator[list[Round]]:
    """Drain in another process meanwhile; the rounds are complete behind the block."""
    context = multiprocessing.get_context("spawn")
    rounds: list[Round] = []
    with context.Manager() as shared, ProcessPoolExecutor(1, mp_context=context) as processes:
        done = shared.Event()
        drained = processes.submit(_drain, dsn, done)
        try:
            yield rounds
        finally:
            done.set()
        rounds += drained.result()


def _drain(dsn: str, done: Event) -> list[Round]:
    from bench.tasks import app, nothing  # noqa: PLC0415 - the app of the process that drains

    app.configure(database_url=dsn)
    rounds: list[Round] = []
    while not done.is_set():
        for first in range(0, ROUND_JOBS, 10_000):
            nothing.enqueue_many([((n,), {}) for n in range(first, first + 10_000)])
        wall, cpu = time.monotonic(), time.process_time()
        counts = anyio.run(app.worker(burst=True).run)
        jobs = counts["succeeded"]  # more than were enqueued, where an earlier run was interrupted
        rounds.append(Round(time.monotonic(), jobs, time.monotonic() - wall, time.process_time() - cpu))
    app.close()
    return rounds[1:]


def _print_answers(quiet: Sequence[Answers], beside: Sequence[Answers]) -> None:
    print(f"{'ms':60} {'alone: cpu':>10} {'p50':>6} {'p95':>6} {'drained: p50':>12} {'p95':>6}  rows")
    for alone, drained in zip(quiet, beside, strict=True):
        cells = (alone.cpu_ms, alone.at(0.5), alone.at(0.95), drained.at(0.5), drained.at(0.95))
        slow = "  SLOW" if max(cells[2], cells[4]) > SLOW_MS else ""
        print(f"{alone.question.name:60} {cells[0]:10.0f} {cells[1]:6.0f} {cells[2]:6.0f} {cells[3]:12.0f} "
              f"{cells[4]:6.0f}  {alone.rows}{slow}")  # fmt: skip


def _print_rounds(rounds: Sequence[Round], begun: float, ended: float) -> None:
    beside = [one for one in rounds if one.ended - one.wall > begun and one.ended < ended]
    alone = [one for one in rounds if one.ended < begun or one.ended - one.wall > ended]
    rates = []
    for name, some in (("alone", alone), ("beside reads", beside)):
        rates.append(statistics.median(one.jobs / one.wall for one in some))
        cpu = statistics.median(one.cpu / one.jobs * 1e6 for one in some)
        print(f"drain {name:13} rounds={len(some)} jobs_per_sec={rates[-1]:,.0f} client_cpu_us_per_job={cpu:.1f}")
    print(f"BENCH_RESULT reads drain_rate_beside_over_alone={rates[1] / rates[0]:.2f}")


if __name__ == "__main__":
    main()
