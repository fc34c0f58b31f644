"""Where the systems keep their jobs: one PostgreSQL, a database of its own for each run; and a Redis of ours."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from pgflow.store import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

REDIS_FLAGS: Final = ("--appendonly", "no", "--save", "")
"""Without a log, as most run it, and without snapshots either, which would only cost it."""


class Postgres:
    """A server, in which each run gets a database."""

    def __init__(self, url: str) -> None:
        self.url = url

    @contextmanager
    def place(self) -> Iterator[str]:
        """Give the address of a fresh database, dropped behind the block."""
        called = f"pgflow_bench_{os.getpid()}"
        name = sql.Identifier(called)
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(sql.SQL("drop database if exists {} with (force)").format(name))
            conn.execute(sql.SQL("create database {}").format(name))
            with suppress(psycopg.errors.InsufficientPrivilege):  # then WAL may hold page images of one in between
                conn.execute("checkpoint")
            try:
                yield urlunsplit(urlsplit(self.url)._replace(path=f"/{called}"))
            finally:
                conn.execute(sql.SQL("drop database if exists {} with (force)").format(name))

    def describe(self) -> dict[str, str]:
        """Give its version, and the settings that matter."""
        names = ("server_version", "fsync", "synchronous_commit", "shared_buffers", "max_wal_size")
        with psycopg.connect(self.url) as conn:
            return {name: str(conn.execute("select current_setting(%s)", (name,)).fetchone()[0]) for name in names}  # type: ignore[index]


@contextmanager
def postgres() -> Iterator[Postgres]:
    """Give the server that PGFLOW_BENCH_DATABASE_URL names, or a temporary one of our own."""
    given = os.environ.get("PGFLOW_BENCH_DATABASE_URL")
    if given:
        yield Postgres(given)
        return
    with tempfile.TemporaryDirectory() as directory, embedded.acquire(Path(directory)) as server:
        yield Postgres(server.url)


class Redis:
    """A Redis of ours, which holds one system's jobs at a time."""

    def __init__(self, port: int, pid: int) -> None:
        self.port, self.pid = port, pid
        self.url = f"redis://127.0.0.1:{port}/0"
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._file = self._socket.makefile("rb")

    @contextmanager
    def place(self) -> Iterator[str]:
        """Give the address of the emptied server."""
        self.ask("FLUSHALL")
        yield self.url

    def busy(self) -> bool:
        """Say whether a job of Celery's or Dramatiq's is left in it."""
        return any(
            self.ask(*question)
            for question in (
                ("LLEN", "celery"),
                ("HLEN", "unacked"),
                ("HLEN", "dramatiq:default.msgs"),
            )
        )

    def describe(self) -> dict[str, str]:
        """Give its version and flags."""
        found = re.search(rb"redis_version:(\S+)", self._bulk("INFO", "server"))
        return {"redis_version": found[1].decode() if found else "?", "flags": shlex.join(REDIS_FLAGS)}

    def close(self) -> None:
        """Hang up."""
        self._file.close()
        self._socket.close()

    def ask(self, *words: str) -> int:
        """Send a command that answers with a number, or with OK."""
        line = self._send(*words)
        return int(line[1:]) if line[:1] == b":" else 0

    def _bulk(self, *words: str) -> bytes:
        return self._file.read(int(self._send(*words)[1:]) + 2)

    def _send(self, *words: str) -> bytes:
        parts = [f"*{len(words)}", *(part for word in words for part in (f"${len(word)}", word)), ""]
        self._socket.sendall("\r\n".join(parts).encode())
        line = self._file.readline()
        if line[:1] == b"-":
            raise OSError(line.decode())
        return line


@contextmanager
def redis() -> Iterator[Redis]:
    """Start a Redis on a free port; stopped behind the block. Raises `FileNotFoundError` where it is not installed."""
    program = shutil.which("redis-server")
    if program is None:
        msg = "redis-server is not installed: apt-get install redis-server"
        raise FileNotFoundError(msg)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        flags: list[Any] = ["--port", str(port), "--bind", "127.0.0.1", "--dir", directory, *REDIS_FLAGS]
        server = subprocess.Popen([program, *flags], stdout=subprocess.DEVNULL)  # noqa: S603  (what was found)
        try:
            with closing(_connected(port, server)) as connected:
                yield connected
        finally:
            server.terminate()
            server.wait()


def _connected(port: int, server: subprocess.Popen[bytes]) -> Redis:
    until = time.monotonic() + 10
    while True:
        try:
            return Redis(port, server.pid)
        except OSError:
            if server.poll() is not None or time.monotonic() > until:
                raise
            time.sleep(0.05)
