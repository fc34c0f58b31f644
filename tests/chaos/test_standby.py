"""A synchronous standby has every commit that was acknowledged, and takes writes once it is promoted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from chaos import standby
from chaos.proxy import Proxy
from chaos.server import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def primary(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "primary")
    server.create()
    server.start()
    yield server
    server.stop("immediate")


def test_a_promoted_standby_has_all_that_was_acknowledged_and_takes_writes(primary: Server, tmp_path: Path) -> None:
    primary.ask("create table kept (n integer)")
    second = standby.add(primary, tmp_path / "second")
    try:
        for n in range(50):
            primary.ask("insert into kept values (%s)", [n])
        primary.stop("kill")
        assert second.ask("select pg_is_in_recovery()") == [(True,)]
        standby.promote(second)
        assert second.ask("select count(*) from kept") == [(50,)]
        second.ask("insert into kept values (50)")
        third = standby.add(second, tmp_path / "third")
        third.stop("immediate")
    finally:
        second.stop("immediate")


def test_a_proxy_leads_to_the_promoted_one_at_the_same_address(primary: Server, tmp_path: Path) -> None:
    second = standby.add(primary, tmp_path / "second")
    with Proxy(primary.url) as proxy:
        primary.stop("kill")
        standby.promote(second)
        proxy.upstream = second.url
        primary.port = proxy.port
        assert primary.ask("select pg_is_in_recovery()") == [(False,)]
    second.stop("immediate")


def test_without_its_standby_a_primary_commits_alone(primary: Server, tmp_path: Path) -> None:
    second = standby.add(primary, tmp_path / "second")
    standby.remove(primary, second)
    primary.ask("create table kept (n integer)")
    assert not second.runs
