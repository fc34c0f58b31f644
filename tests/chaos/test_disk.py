"""A disk of a server's own is full, free and read-only when told, and gone behind the test."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import psycopg
import pytest

from chaos.disk import Disk
from chaos.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "data"
    path.mkdir(mode=0o700)
    (path / "kept").write_text("before")
    return path


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "server", settings={"max_wal_size": "64MB", "min_wal_size": "32MB"})
    server.create()
    yield server
    server.stop("immediate")


def test_a_full_disk_takes_nothing_and_a_freed_one_does(directory: Path) -> None:
    with Disk(directory, 4) as disk:
        assert (directory / "kept").read_text() == "before"
        disk.fill()
        assert disk.free_bytes == 0
        with pytest.raises(OSError, match="No space left"):
            (directory / "more").write_bytes(b"x" * 10_000)
        disk.free()
        assert disk.free_bytes > 2_000_000
        (directory / "more").write_bytes(b"x" * 10_000)
    assert sorted(path.name for path in directory.iterdir()) == ["kept", "more"]
    assert (directory / "kept").read_text() == "before"
    assert not os.path.ismount(directory)


def test_it_is_taken_away_after_an_error_too(directory: Path) -> None:
    with pytest.raises(ZeroDivisionError), Disk(directory, 4):
        1 / 0  # noqa: B018 - the error is the point
    assert not os.path.ismount(directory)


def test_a_read_only_disk_refuses_writes_until_it_admits_them(directory: Path) -> None:
    with Disk(directory, 4) as disk:
        disk.refuse_writes()
        with pytest.raises(OSError, match="Read-only"):
            (directory / "more").touch()
        disk.admit_writes()
        (directory / "more").touch()


def test_postgresql_runs_full_on_it_and_keeps_what_it_acknowledged(server: Server) -> None:
    with Disk(server.data, 160) as disk:
        server.start()
        server.ask("create table kept (n integer, text text)")
        server.ask("insert into kept values (1)")
        disk.fill()
        with pytest.raises(psycopg.OperationalError):
            server.ask("insert into kept select n, repeat('x', 1000) from generate_series(1, 200000) as n")
        disk.free()
        if not server.runs:
            server.stop()
            server.start()
        assert server.ask("select count(*) from kept") == [(1,)]
        server.stop("fast")
