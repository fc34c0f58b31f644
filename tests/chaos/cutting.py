"""Cuts the store's connection behind a commit whose answer is then lost, where CHAOS_CUT_COMMITS names a share."""

from __future__ import annotations

import os
import random
import socket
from typing import Any

import psycopg

from pgflow.store import points


def begin() -> None:
    """Stand in at the edges of this process's statements, where the environment asks for it."""
    share = float(os.environ.get("CHAOS_CUT_COMMITS", "0"))
    if not share:
        return
    dice = random.Random(f"{os.environ.get('CHAOS_SEED')}/{os.getpid()}")  # noqa: S311 - chaos, no secret

    def watch(point: points.Point, conn: psycopg.Connection[Any]) -> None:
        if point.moment == "committed" and dice.random() < share:
            cut(conn)

    points.watcher = watch


def cut(conn: psycopg.Connection[Any]) -> None:
    """Break a connection as if the wire had broken, and say what its statement would have said."""
    with socket.socket(fileno=os.dup(conn.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)
    raise psycopg.OperationalError("the connection was cut behind the commit, and the answer lost")
