"""Other processes that use an embedded server, and questions to ask of one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from pgflow.store import embedded

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30
USE = """
import sys
from pathlib import Path
from pgflow.store import embedded
server = embedded.acquire(Path(sys.argv[1]))
print(embedded.status(server.directory).pid, server.url, flush=True)
sys.stdin.readline()
"""


@contextmanager
def short_directory() -> Iterator[Path]:
    """Make a directory other users may pass; the paths pytest makes are too long for a socket."""
    path = Path(tempfile.mkdtemp(prefix="pgf-"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        for gate in path.rglob("gate.lock"):
            embedded.stop(gate.parent, force=True)
        shutil.rmtree(path)


class User:
    """Another process that uses a directory's server until it is told to end."""

    def __init__(
        self, directory: Path, script: str = USE, *, python: str = sys.executable, uid: int | None = None
    ) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self.process = subprocess.Popen(
            [python, "-c", script, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            user=uid,
            cwd="/",
            start_new_session=True,
        )

    def says(self) -> list[str]:
        """Wait for the words it prints once it has the server."""
        assert self.process.stdout
        return self.process.stdout.readline().split()

    def leaves(self) -> int:
        """Let it come to its end by itself; return its exit code."""
        self.process.communicate("\n", timeout=SECONDS)
        return self.process.returncode

    def killed(self) -> None:
        """Kill -9 it."""
        self.process.kill()
        self.process.communicate(timeout=SECONDS)


def one(url: str, query: str) -> object:
    """The first column of the first row."""
    with psycopg.connect(url) as conn:
        row = conn.execute(query).fetchone()
    assert row
    return row[0]


def pid_of(directory: Path) -> int:
    """The pid of a directory's server, which runs."""
    pid = embedded.status(directory).pid
    assert pid
    return pid
