"""Makes a data directory and keeps its surroundings clean; the caller holds the gate and no server runs."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pgflow.store.embedded import privileges
from pgflow.store.embedded.errors import ServerStartError

if TYPE_CHECKING:
    from pgflow.store.embedded.binaries import Binaries
    from pgflow.store.embedded.home import Home
    from pgflow.store.embedded.privileges import Identity

INITDB_SECONDS: Final = 120
LOG_BYTES: Final = 10_000_000
BUILTIN_LOCALE_MAJOR: Final = 17
CONFIGURATION: Final = """
# for development: durable as in production, and quiet
max_connections = 200
shared_buffers = 128MB
max_locks_per_transaction = 256
jit = off
log_line_prefix = '%m [%p] '
log_checkpoints = off
"""


def prepare(home: Home, identity: Identity) -> None:
    """Clear away what a dead server left, and give the files to whoever runs the next.

    Only where no process works in the data directory: see `Home.servers`.
    """
    for directory in (home.path, home.run):
        directory.mkdir(mode=0o700, exist_ok=True)
    for stale in (home.data / "postmaster.pid", home.socket, home.run / f"{home.socket.name}.lock"):
        stale.unlink(missing_ok=True)
    for remains in home.path.glob("data.new.*"):
        shutil.rmtree(remains, ignore_errors=True)
    if home.log.exists() and home.log.stat().st_size > LOG_BYTES:
        home.log.replace(home.log.with_suffix(".log.1"))
    # the locks too, or a project's owner could not open those that root has made
    for path in (home.path, *home.path.iterdir()):
        identity.give(path)


def initialize(home: Home, identity: Identity, binaries: Binaries) -> None:
    """Make the data directory. Raises `ServerStartError` with what initdb said."""
    # made under another name, so that a start cut short leaves no half of a data directory
    new = Path(tempfile.mkdtemp(prefix="data.new.", dir=home.path))
    _write_password(home.password_file)
    for path in (new, home.password_file):
        identity.give(path)
    locale = ["--locale=C"]
    if binaries.major >= BUILTIN_LOCALE_MAJOR:
        locale += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    options = ["--username=postgres", "--encoding=UTF8", "--no-sync", "--no-instructions"]
    access = ["--auth-local=trust", "--auth-host=scram-sha-256", f"--pwfile={home.password_file}"]
    line = [str(binaries.bin / "initdb"), f"--pgdata={new}", *options, *locale, *access]
    done = privileges.run(identity, *line, seconds=INITDB_SECONDS)
    if done.returncode != 0:
        shutil.rmtree(new, ignore_errors=True)
        msg = f"initdb failed in {home.path} as {identity.name}: {done.stderr.strip()}"
        raise ServerStartError(msg)
    with (new / "postgresql.conf").open("a", encoding="utf-8") as configuration:
        configuration.write(CONFIGURATION)
    new.rename(home.data)


def _write_password(path: Path) -> None:
    path.unlink(missing_ok=True)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(24))
