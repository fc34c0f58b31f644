"""A PostgreSQL of the chaos's own: durable, on TCP, started, stopped and crashed at will."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Literal

import psycopg
from psycopg import pq

from pgflow.store.embedded import cluster, find_binaries, launch, privileges
from pgflow.store.embedded.home import Home
from pgflow.store.embedded.processes import servers_in

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pgflow.store.embedded import Binaries

Mode = Literal["smart", "fast", "immediate", "kill"]
SIGNALS: dict[Mode, signal.Signals] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
    "kill": signal.SIGKILL,
}
START_SECONDS = 60
STOP_SECONDS = 30
# below the ports that Linux gives to those who connect: one of these could connect to itself while the server is down
PORTS = (15_000, 32_000)
WATCH = 'while kill -0 "$1" && kill -0 "$2"; do sleep 1; done; kill -0 "$1" || kill -QUIT "$2"'


class Server:
    """One cluster in a directory of its own. `create` makes it, where its data has not been copied from elsewhere."""

    def __init__(
        self, directory: Path, *, binaries: Binaries | None = None, settings: Mapping[str, str] | None = None
    ) -> None:
        self.binaries = binaries or find_binaries()
        self.settings = {"max_connections": "300", "unix_socket_directories": "", **(settings or {})}
        self.port = free_port()
        self.starts = 0
        directory.mkdir(parents=True, exist_ok=True)
        self.identity, place = privileges.choose(Home(directory.resolve()).path, self.binaries)
        self.home = Home(place)
        self.process: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.home.data

    @property
    def url(self) -> str:
        """The address of its database."""
        password = self.home.password_file.read_text(encoding="ascii")
        return f"postgresql://postgres:{password}@127.0.0.1:{self.port}/postgres"

    @property
    def runs(self) -> bool:
        """True while its postmaster lives."""
        return self.process is not None and self.process.poll() is None

    def create(self) -> None:
        """Make the data directory: synchronous commits and fsync stay on, as PostgreSQL has them."""
        cluster.prepare(self.home, self.identity)
        cluster.initialize(self.home, self.identity, self.binaries)

    def start(self) -> None:
        """Start it and wait until it answers; tried again while what was left of the last one ends."""
        end = time.monotonic() + START_SECONDS
        while not self._came_up(end):
            if time.monotonic() > end:
                msg = f"PostgreSQL in {self.data} does not start: see {self.home.log}"
                raise TimeoutError(msg)
            time.sleep(0.2)
        self.starts += 1

    def stop(self, mode: Mode = "fast") -> None:
        """Stop it; `immediate` and `kill` are crashes, after which it recovers from its log."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(SIGNALS[mode])
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        end = time.monotonic() + STOP_SECONDS
        while servers_in(self.data, None) and time.monotonic() < end:
            time.sleep(0.02)
        self.process = None
        self._unwatch()

    def restart(self, mode: Mode = "fast", *, down_seconds: float = 0.0) -> None:
        """Stop it, leave it down for a while, and start it."""
        self.stop(mode)
        time.sleep(down_seconds)
        self.start()

    def ask(self, query: str, params: Any = None) -> list[tuple[Any, ...]]:
        """Run one statement on a connection of its own; gives its rows."""
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as conn:
            cursor = conn.execute(query, params)
            return cursor.fetchall() if cursor.description else []

    def _came_up(self, end: float) -> bool:
        where = {"listen_addresses": "127.0.0.1", "port": str(self.port), **self.settings}
        settings = [part for name, value in where.items() for part in ("-c", f"{name}={value}")]
        command = [self.identity.spec, "run", str(self.binaries.bin / "postgres"), "-D", str(self.data), *settings]
        with self.home.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-S", launch.__file__, *command],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=privileges._environment(),
                start_new_session=True,
            )  # fmt: skip
        address = f"{self.url}?connect_timeout=2".encode()
        while self.process.poll() is None:
            if pq.PGconn.ping(address) == pq.Ping.OK:
                self._watch_over(self.process.pid)
                return True
            if time.monotonic() > end:
                return False
            time.sleep(0.02)
        return False

    def _watch_over(self, pid: int) -> None:
        # where the chaos itself is killed, its servers end all the same
        self._unwatch()
        self._watch = subprocess.Popen(
            ["/bin/sh", "-c", WATCH, "watch", str(os.getpid()), str(pid)],
            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._watch.kill()
            self._watch.wait()
            self._watch = None


def free_port() -> int:
    """Find a port nobody listens on, which nobody is given by connecting either."""
    while True:
        port = random.SystemRandom().randrange(*PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
