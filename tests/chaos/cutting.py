"""Cuts the store's connection behind a commit whose answer is then lost: one in ten, while a file is there.

CHAOS_CUT_WHILE names the file; without it, nothing is watched.
"""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path
from typing import Any

import psycopg

from pgflow.store import points

SHARE = 0.1
SAID = "the connection was cut behind the commit, and the answer lost"


def begin() -> None:
    """Stand in at the edges of this process's statements, where the environment asks for it."""
    if "CHAOS_CUT_WHILE" not in os.environ:
        return
    sign = Path(os.environ["CHAOS_CUT_WHILE"])
    dice = random.Random(f"{os.environ['CHAOS_SEED']}/{os.getpid()}")  # noqa: S311 - chaos, no secret

    def watch(point: points.Point, conn: psycopg.Connection[Any]) -> None:
        if point.moment == "committed" and dice.random() < SHARE and sign.exists():
            cut(conn)

    points.watcher = watch


def cut(conn: psycopg.Connection[Any]) -> None:
    """Break a connection as if the wire had broken, and say what its statement would have said."""
    with socket.socket(fileno=os.dup(conn.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)
    raise psycopg.OperationalError(SAID)
