"""The files of one server, and what they and a connection say about it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from psycopg import pq

from pgflow.store.embedded.processes import servers_in

if TYPE_CHECKING:
    from pathlib import Path

# the system limits are 103 on macOS, 107 on Linux
SOCKET_BYTES: Final = 100
UNIX_PORT: Final = 5432
PING_SECONDS: Final = 2


class Answer(Enum):
    """What came back from a try to connect."""

    READY = "ready"
    BUSY = "starting or stopping"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Record:
    """What a server wrote into postmaster.pid; no proof that it lives."""

    pid: int
    port: int
    tcp: bool


@dataclass(frozen=True, slots=True)
class Home:
    """Where a server's data, socket, log and password are; readable by whoever runs it and nobody else."""

    path: Path

    @property
    def data(self) -> Path:
        """The data directory; exists once it is complete."""
        return self.path / "data"

    @property
    def run(self) -> Path:
        """The directory of the socket, mode 0700: it is what keeps others out, for sockets ask no password."""
        return self.path / "run"

    @property
    def log(self) -> Path:
        """The server's log."""
        return self.path / "server.log"

    @property
    def password_file(self) -> Path:
        """Holds the password of TCP connections, on which every user of the machine could knock."""
        return self.path / "password"

    @property
    def socket(self) -> Path:
        """The socket's path."""
        return self.run / f".s.PGSQL.{UNIX_PORT}"

    @property
    def takes_socket(self) -> bool:
        """False where the path is too long for a socket, or has a comma, at which libpq splits hosts."""
        return len(os.fsencode(self.socket)) <= SOCKET_BYTES and "," not in str(self.run)

    def record(self) -> Record | None:
        """Read postmaster.pid; None where it is missing or half written."""
        try:
            lines = (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="surrogateescape").split("\n")
            return Record(int(lines[0]), int(lines[3]), tcp=not lines[4].strip())
        except (FileNotFoundError, IndexError, ValueError):
            return None

    def major(self) -> int | None:
        """Read the major version that made the data; None where there is none yet."""
        try:
            return int((self.data / "PG_VERSION").read_text(encoding="ascii"))
        except FileNotFoundError:
            return None

    def servers(self) -> list[int]:
        """Find the pids of the PostgreSQL processes at work on the data."""
        record = self.record()
        return servers_in(self.data, record.pid if record else None)

    def url(self, record: Record) -> str:
        """Spell the address of the server that wrote this record."""
        if record.tcp:
            password = self.password_file.read_text(encoding="ascii")
            return f"postgresql://postgres:{password}@127.0.0.1:{record.port}/postgres"
        return f"postgresql://postgres@/postgres?host={quote(str(self.run), safe='')}&port={record.port}"

    def answer(self) -> Answer:
        """Connect, and say what came of it. A server that is full counts as ready."""
        record = self.record()
        if record is None:
            return Answer.SILENT
        separator = "?" if record.tcp else "&"
        ping = pq.PGconn.ping(f"{self.url(record)}{separator}connect_timeout={PING_SECONDS}".encode())
        if ping == pq.Ping.REJECT:
            return Answer.BUSY
        # a port may have gone to a stranger since the record was written; a socket in our directory has not
        if ping == pq.Ping.OK and (not record.tcp or record.pid in self.servers()):
            return Answer.READY
        return Answer.SILENT
