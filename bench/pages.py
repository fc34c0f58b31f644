"""Pages: how long the admin's take, the first one of a new process and the next, with two million jobs in the tables.

python -m bench.pages jobs dead ''

Uses the database PGFLOW_BENCH_DATABASE_URL names, which `bench.reads` has filled. Each page is asked of a process of
its own, five seconds after it began to serve: what was read ahead by then is too old to be shown.
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGES: Final = ("", "jobs", "jobs?state=dead", "dead", "queues", "queues/queue-3", "workers", "schedules", "decisions")
PROCESSES: Final = 3
REST_SECONDS: Final = 5.0
NEXT_TIMES: Final = 3
NEXT_SECONDS: Final = 1.2
"""Longer than anything is kept but the counts beside the states."""
START_SECONDS: Final = 60.0


def main(pages: list[str]) -> None:
    """Ask for each page, first and again, and print the table."""
    print(f"{'ms':24} {'first: median':>13} {'worst':>6} {'next: median':>12}")
    for page in pages:
        first, following = [], []
        for _ in range(PROCESSES):
            with _served() as client:
                first.append(_took(client, page))
                for _ in range(NEXT_TIMES):
                    time.sleep(NEXT_SECONDS)
                    following.append(_took(client, page))
        cells = (statistics.median(first), max(first), statistics.median(following))
        print(f"{f'/ui/{page}':24} {cells[0]:13.0f} {cells[1]:6.0f} {cells[2]:12.0f}", flush=True)


@contextmanager
def _served() -> Iterator[httpx.Client]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    settings = {"PGFLOW_DATABASE_URL": os.environ["PGFLOW_BENCH_DATABASE_URL"], "PGFLOW_ADMIN_ADDR": address}
    process = subprocess.Popen(
        [sys.executable, "-m", "pgflow", "admin"], env={**os.environ, **settings}, stdout=subprocess.DEVNULL
    )
    try:
        with httpx.Client(base_url=f"http://{address}", timeout=30) as client:
            _await(client)
            time.sleep(REST_SECONDS)
            yield client
    finally:
        process.terminate()
        process.wait()


def _await(client: httpx.Client) -> None:
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            client.get("/health/live").raise_for_status()
        except httpx.HTTPError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return


def _took(client: httpx.Client, page: str) -> float:
    begun = time.perf_counter()
    client.get(f"/ui/{page}").raise_for_status()
    return (time.perf_counter() - begun) * 1000


if __name__ == "__main__":
    main(sys.argv[1:] or list(PAGES))
