"""Debian's pgbouncer before a database: transaction mode, and no knowledge of prepared statements."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING, Any, Final, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chaos.server import free_port

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM: Final = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}{os.pathsep}/usr/sbin")
NOT_ROOT: Final = "postgres"
START_SECONDS: Final = 10
STOP_SECONDS: Final = 10
POLL_SECONDS: Final = 0.02


class Pgbouncer:
    """A pooler in a directory of its own, stopped and started at will; its address stays."""

    def __init__(self, directory: Path, upstream: str, **settings: object) -> None:
        self.port = free_port()
        self.log = directory / "pgbouncer.log"
        self._file = directory / "pgbouncer.ini"
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)
        self._file.touch(mode=0o600)
        self._file.write_text(_configuration(upstream, self.port, settings), "utf-8")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def address(self, dsn: str) -> str:
        """The DSN with the pooler in the place of its server."""
        return make_conninfo(dsn, host="127.0.0.1", port=self.port)

    def start(self) -> None:
        """Start it, and wait until it answers. Raises `TimeoutError` with what it said."""
        # it refuses to be root, and changes its user when it has read the file
        user = ["-u", NOT_ROOT] if os.geteuid() == 0 else []
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [PROGRAM or "pgbouncer", *user, str(self._file)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop(at_once=True)
                msg = f"pgbouncer does not start:\n{self.log.read_text('utf-8', errors='replace')[-2000:]}"
                raise TimeoutError(msg)
            time.sleep(POLL_SECONDS)

    def stop(self, *, at_once: bool = False) -> None:
        """End it: when the transactions under way have ended, or `at_once`."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if at_once else signal.SIGINT)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def tell(self, command: str) -> list[dict[str, Any]]:
        """Say a command, such as `pause`, to its console; gives the rows it answers, columns by name."""
        console = make_conninfo(host="127.0.0.1", port=self.port, user="console", dbname="pgbouncer")
        with psycopg.connect(console, autocommit=True, connect_timeout=START_SECONDS) as conn:
            cursor = conn.execute(command.encode())
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()] if names else []

    def _answers(self) -> bool:
        try:
            return bool(self.tell("show version"))
        except psycopg.OperationalError:
            return False


def _configuration(upstream: str, port: int, settings: dict[str, object]) -> str:
    given = conninfo_to_dict(upstream)
    behind = {"host": "localhost", **{k: v for k, v in given.items() if k in ("host", "port", "user", "password")}}
    line = " ".join(f"{name}='{value}'" for name, value in behind.items())
    # any: whoever connects is the user of the database's line
    plain = {
        "listen_addr": "127.0.0.1", "listen_port": port, "unix_socket_dir": "", "auth_type": "any",
        "admin_users": "console",
        "pool_mode": "transaction", "max_client_conn": 500, "default_pool_size": 20, "server_login_retry": 1,
        **settings,
    }  # fmt: skip
    rest = "\n".join(f"{name} = {value}" for name, value in plain.items())
    return f"[databases]\n* = {line}\n\n[pgbouncer]\n{rest}\n"
