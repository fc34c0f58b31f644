"""Ids: version 7, rising within a process, and in time even where a clock was not."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from pgflow.ids import IdMaker, id_time


def test_ids_rise_within_a_process_and_hold_the_time() -> None:
    ids = IdMaker()
    made = [ids.make(), *ids.make_many(10_000), ids.make()]
    assert made == sorted(set(made))
    assert {(UUID(one).version, UUID(one).variant) for one in made} == {(7, "specified in RFC 4122")}
    assert abs(id_time(made[-1]) - datetime.now(UTC)) < timedelta(seconds=10)


def test_ids_rise_on_while_a_clock_goes_back_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    ids, right = IdMaker(), time.time
    before = ids.make_many(3)
    monkeypatch.setattr(time, "time", lambda: right() - 2)
    assert before[-1] < ids.make()


@pytest.mark.parametrize("error", [7200, -7200])
def test_a_clock_set_right_is_followed(error: int, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, right = IdMaker(), time.time
    monkeypatch.setattr(time, "time", lambda: right() + error)
    wrong = ids.make()
    monkeypatch.undo()
    made = ids.make_many(3)
    assert abs(id_time(made[0]) - datetime.now(UTC)) < timedelta(seconds=10)
    assert (made == sorted(made), wrong > made[-1]) == (True, error > 0)
