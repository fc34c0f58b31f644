"""A worker's process always ends by itself, in time, whatever its jobs and its database do."""

from __future__ import annotations

import os
import re
import signal
import socket
import socketserver
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from cli_runs import stopped, until
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgflow.model import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import psycopg
    from cli_runs import Command

TASKS = "cli_tasks:app"
GRACE = 0.5
ENDS_WITHIN = GRACE + 2.0 + 5.0  # the promise, and what a loaded machine takes to say so

pytestmark = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def running(pgflow: Command, backend: str, task: str, until_state: Callable[[str, str], None], *more: str) -> Any:
    """Start a worker and wait until it runs a job of a task for a minute; gives the process and the job's id."""
    job_id = pgflow.json("enqueue", f"cli_tasks.{task}", "-A", TASKS, "--args", "[60]")["job_id"]
    process = pgflow.start("worker", "-A", TASKS, "--backend", backend, "--grace", str(GRACE), "-c", "2", *more)
    until((pgflow.directory / "held").exists)
    until_state(job_id, State.RUNNING)
    return process, job_id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_idle_worker_ends_at_once(pgflow: Command, backend: str, number: int) -> None:
    process = pgflow.start("worker", "-A", TASKS, "--backend", backend)
    assert process.stderr is not None
    while "takes" not in process.stderr.readline():
        pass
    code, errors = stopped(process, number, within=3)
    assert code == 0, errors
    assert f"{signal.Signals(number).name}: stopping" in errors


@pytest.mark.parametrize("task", ["rest", "hold_thread", "hold_process"])
def test_a_running_job_is_handed_back_within_the_grace_time(
    pgflow: Command, backend: str, task: str, until_state: Callable[[str, str], None]
) -> None:
    process, job_id = running(pgflow, backend, task, until_state)
    code, errors = stopped(process, within=ENDS_WITHIN)
    assert code == 0, errors
    assert "not stored" not in errors
    until_state(job_id, State.QUEUED)


def test_a_job_that_blocks_the_event_loop_does_not_hold_the_process_up(
    pgflow: Command, backend: str, until_state: Callable[[str, str], None]
) -> None:
    process, _ = running(pgflow, backend, "hold_loop", until_state)
    code, errors = stopped(process, within=ENDS_WITHIN)
    assert code == 1
    assert "did not end in time" in errors


def test_a_thread_that_a_job_left_behind_does_not_hold_the_process_up(
    pgflow: Command, backend: str, until_state: Callable[[str, str], None]
) -> None:
    job_id = pgflow.json("enqueue", "cli_tasks.leave_thread", "-A", TASKS, "--args", "[60]")["job_id"]
    began = time.monotonic()
    pgflow("worker", "-A", TASKS, "--backend", backend, "--burst")
    assert time.monotonic() - began < 10
    until_state(job_id, State.SUCCEEDED)


def test_a_second_signal_stops_at_once(pgflow: Command, backend: str, until_state: Callable[[str, str], None]) -> None:
    process, job_id = running(pgflow, backend, "rest", until_state, "--grace", "60")
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "stopping" not in process.stderr.readline():
        pass
    code, errors = stopped(process, signal.SIGINT, within=4)
    assert code == 0, errors
    until_state(job_id, State.QUEUED)


@pytest.mark.parametrize("task", ["rest", "hold_thread"])
def test_a_database_that_has_gone_does_not_hold_the_process_up(
    pgflow: Command, backend: str, task: str, migrated_url: str, until_state: Callable[[str, str], None]
) -> None:
    with proxied(migrated_url) as (url, silence):
        pgflow.environment["PGFLOW_DATABASE_URL"] = url
        process, _ = running(pgflow, backend, task, until_state)
        silence()
        code, errors = stopped(process, within=ENDS_WITHIN)
        assert code in (0, 1), errors


def test_two_processes_work_and_end_together(
    pgflow: Command, backend: str, db: psycopg.Connection[Any], tmp_path: Path
) -> None:
    words = ("worker", "-A", TASKS, "--backend", backend, "--processes", "2", "--grace", str(GRACE))
    process = pgflow.start(*words, PGFLOW_LEASE_SECONDS="1", PGFLOW_WORKER_ID="pair")

    def pids() -> set[int]:
        rows = db.execute("select pid from pgflow.workers where id in ('pair-1', 'pair-2')").fetchall()
        return {row[0] for row in rows} if len(rows) == 2 else set()

    first = until(pids)
    crash = pgflow.json("enqueue", "cli_tasks.crash", "-A", TASKS)["job_id"]
    lost = "select 1 from pgflow.attempts where job_id = %s and outcome = 'lost'"
    until(lambda: db.execute(lost, [crash]).fetchone())
    last = until(lambda: (now := pids()) != first and now)
    assert (tmp_path / "crashed").exists()
    code, errors = stopped(process, within=ENDS_WITHIN + 1)
    assert code == 0, errors
    assert re.search(r"worker [12] was ended by SIGKILL; starting it again in 1 s", errors), errors
    for pid in last:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@contextmanager
def proxied(url: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Put a TCP proxy before a database, which can fall silent without closing anything."""
    given = conninfo_to_dict(url)
    silent = threading.Event()

    def connect() -> socket.socket:
        host, port = str(given.get("host", "localhost")), int(given.get("port", 5432))
        if not host.startswith("/"):
            return socket.create_connection((host, port))
        wire = socket.socket(socket.AF_UNIX)
        wire.connect(f"{host}/.s.PGSQL.{port}")
        return wire

    class Relay(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with connect() as server:
                back = threading.Thread(target=relay, args=(server, self.request, silent), daemon=True)
                back.start()
                relay(self.request, server, silent)
                back.join()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

    with Server(("127.0.0.1", 0), Relay) as server:
        threading.Thread(target=server.serve_forever, args=[0.05], daemon=True).start()
        try:
            yield make_conninfo(url, host="127.0.0.1", port=server.server_address[1]), silent.set
        finally:
            server.shutdown()


def relay(source: socket.socket, target: socket.socket, silent: threading.Event) -> None:
    """Pass bytes on until the source ends; swallow them while silent."""
    with suppress(OSError):
        while data := source.recv(65_536):
            if not silent.is_set():
                target.sendall(data)
        target.shutdown(socket.SHUT_WR)
