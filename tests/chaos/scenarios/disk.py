"""The server's disk is full, or takes no writes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import psycopg

from chaos.disk import Disk
from chaos.scenario import Scenario

if TYPE_CHECKING:
    from chaos.stage import Stage

DISK_MEGABYTES = 400
ANSWER_SECONDS = 5.0
LOG_TOO = 0.6
LOG_FILES = 12
STUBBORN = "-c default_transaction_read_only=off"
FULL = "No space left on device"


def setup(stage: Stage) -> None:
    server = stage.server
    # a claim is committed relaxed: a crash may forget it, and the same attempt is then handed out twice
    stage.checks["forgotten_claims"] = True
    # little log to keep: it is the tables' growth that the disk is for
    server.settings |= {"max_wal_size": "64MB", "min_wal_size": "32MB"}
    server.stop()
    stage.props["disk"] = stage.endings.enter_context(Disk(server.data, DISK_MEGABYTES))
    # before the disk is taken away
    stage.endings.callback(server.stop)
    server.start()


def fill(stage: Stage) -> None:
    disk: Disk = stage.props["disk"]
    while not stage.over():
        disk.fill()
        stage.log("the disk is full")
        stage.pause(stage.rng.uniform(2, 6))
        if stage.rng.random() < LOG_TOO:
            use_up_log(stage)
            stage.pause(stage.rng.uniform(0.5, 2))
        runs = stage.server.runs
        disk.free()
        stage.log(f"the disk is free again; PostgreSQL has {'gone on' if runs else 'crashed'}")
        revive(stage)
        stage.pause(stage.rng.uniform(2, 5))
    said = stage.server.home.log.read_text("utf-8", errors="replace").count(FULL)
    stage.log(f"PostgreSQL has said {said} times that nothing is left")
    assert said, "PostgreSQL has not felt that the disk was full"


def use_up_log(stage: Stage) -> None:
    """Write what is left of the write-ahead log's files, which a table that cannot grow does not need."""
    try:
        for _ in range(LOG_FILES):
            stage.ask("select pg_logical_emit_message(false, 'chaos', 'x')")
            stage.ask("select pg_switch_wal()")
    except psycopg.Error as error:
        stage.log(f"the log has no room: {error}")


def refuse(stage: Stage) -> None:
    while not stage.over():
        read_only(stage)
        stage.pause(stage.rng.uniform(2, 4))
        if not stage.over():
            remount(stage)
            stage.pause(stage.rng.uniform(2, 4))


def read_only(stage: Stage) -> None:
    set_read_only(stage, "on")
    stage.log("transactions are read-only")
    try:
        stage.pause(stage.rng.uniform(2, 8))
        refused = stage.ask("show default_transaction_read_only")
        assert refused == [("on",)]
    finally:
        set_read_only(stage, "off")
        stage.log("transactions write again")


def remount(stage: Stage) -> None:
    disk: Disk = stage.props["disk"]
    stage.server.stop("immediate")
    disk.refuse_writes()
    stage.log("the disk is read-only, and PostgreSQL has crashed of it")
    try:
        stage.pause(stage.rng.uniform(1, 4))
    finally:
        disk.admit_writes()
        stage.server.start()
        stage.log("the disk takes writes again")


def set_read_only(stage: Stage, word: str) -> None:
    # by a session that is not itself bound by it
    with psycopg.connect(stage.server.url, options=STUBBORN, autocommit=True) as conn:
        conn.execute(f"alter system set default_transaction_read_only = {word}")
        conn.execute("select pg_reload_conf()")


def revive(stage: Stage) -> None:
    """Wait until the server answers; start it where it has not survived."""
    end = time.monotonic() + ANSWER_SECONDS
    while stage.server.runs and time.monotonic() < end:
        try:
            stage.ask("select 1")
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    stage.server.restart("immediate")
    stage.log("PostgreSQL was started again")


DISK_FULL = Scenario(
    "disk-full",
    "The disk fills until PostgreSQL stops, and is freed: what was acknowledged is kept, and work goes on.",
    fill, setup, needs=("root",),
)  # fmt: skip
READ_ONLY = Scenario(
    "read-only",
    "The database takes no writes, by its setting or for want of a disk that does: nothing is forgotten meanwhile.",
    refuse, setup, needs=("root",),
)  # fmt: skip
