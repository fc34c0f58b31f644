"""A streaming standby of a server, and its promotion when that server is gone.

It is synchronous: a commit is acknowledged when both servers have it, so that a promotion loses nothing that was
acknowledged. What an asynchronous one has not received yet is lost with its primary.
"""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final

from psycopg.conninfo import make_conninfo

from chaos.server import Server
from pgflow.store.embedded import cluster, privileges

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "standby"
BACKUP_SECONDS: Final = 120
SYNC_SECONDS: Final = 30
PROMOTE_SECONDS: Final = 60
POLL_SECONDS: Final = 0.05
IN_SYNC: Final = "select 1 from pg_stat_replication where application_name = %(name)s and sync_state = 'sync'"
FOLLOW: Final = f"alter system set synchronous_standby_names = '{NAME}'"
ALONE: Final = "alter system reset synchronous_standby_names"


def add(primary: Server, directory: Path) -> Server:
    """Start a synchronous standby of a running server; gives it when commits wait for it."""
    standby = Server(directory, binaries=primary.binaries, settings=primary.settings)
    cluster.prepare(standby.home, standby.identity)
    shutil.copy(primary.home.password_file, standby.home.password_file)
    standby.identity.give(standby.home.password_file)
    _copy(primary, standby)
    standby.start()
    primary.ask(FOLLOW)
    primary.ask("select pg_reload_conf()")
    end = time.monotonic() + SYNC_SECONDS
    while not primary.ask(IN_SYNC, {"name": NAME}):
        if time.monotonic() > end:
            msg = f"the standby in {directory} is not in sync after {SYNC_SECONDS} s: see {standby.home.log}"
            raise TimeoutError(msg)
        time.sleep(POLL_SECONDS)
    return standby


def remove(primary: Server, standby: Server) -> None:
    """Stop a standby, and let its primary commit alone."""
    primary.ask(ALONE)
    primary.ask("select pg_reload_conf()")
    standby.stop("immediate")


def promote(standby: Server) -> None:
    """Make a standby the primary, and wait until it takes writes. Its old primary must be gone."""
    promoted = standby.ask(f"select pg_promote(true, {PROMOTE_SECONDS})")
    if promoted != [(True,)]:
        msg = f"the standby was not promoted within {PROMOTE_SECONDS} s: see {standby.home.log}"
        raise TimeoutError(msg)


def _copy(primary: Server, standby: Server) -> None:
    # the name is kept in the standby's primary_conninfo, and is what synchronous_standby_names knows it by
    source = make_conninfo(primary.url, application_name=NAME)
    program = str(standby.binaries.bin / "pg_basebackup")
    options = ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast", "--no-sync"]
    command = [program, f"--dbname={source}", f"--pgdata={standby.data}", *options]
    done = privileges.run(standby.identity, *command, seconds=BACKUP_SECONDS)
    if done.returncode != 0:
        msg = f"pg_basebackup failed: {done.stderr.strip()}"
        raise RuntimeError(msg)
