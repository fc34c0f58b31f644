"""Cursors: what is sealed comes back, for the same list and filters only, from any admin of the database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pgflow.admin import Problem
from pgflow.plugins.admin.paging import Cursors

if TYPE_CHECKING:
    from collections.abc import Callable

    from pgflow import App

CURSORS = Cursors(b"key")
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(max_size=20)
JSON = SCALARS | st.lists(SCALARS, max_size=5) | st.dictionaries(st.text(max_size=5), SCALARS, max_size=5)


def refused(cursors: Cursors, kind: str, filters: dict[str, Any], text: str) -> bool:
    """Say whether a cursor is refused as one that is not of this list."""
    with pytest.raises(Problem) as caught:
        cursors.open(kind, filters, text)
    return (caught.value.status, caught.value.code) == (400, "BAD_CURSOR")


@given(JSON)
def test_what_is_sealed_comes_back(value: Any) -> None:
    text = CURSORS.seal("jobs", {"queue": "mail"}, value)
    assert CURSORS.open("jobs", {"queue": "mail"}, text) == value
    assert text.replace("-", "").replace("_", "").isalnum()


def test_a_cursor_is_bound_to_its_list_its_filters_and_its_key() -> None:
    text = CURSORS.seal("jobs", {"queue": "mail", "state": None}, ["2026-01-01", "id"])
    assert CURSORS.open("jobs", {"queue": "mail"}, text) == ["2026-01-01", "id"], "a filter of None is none"
    assert refused(CURSORS, "dlq", {"queue": "mail"}, text)
    assert refused(CURSORS, "jobs", {}, text)
    assert refused(CURSORS, "jobs", {"queue": "mail", "limit": 5}, text)
    assert refused(Cursors(b"other"), "jobs", {"queue": "mail"}, text)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_whatever_else_is_sent_is_refused(text: str) -> None:
    assert refused(CURSORS, "jobs", {}, text)


@given(st.integers(0, 60), st.characters())
@example(18, "+")
def test_a_cursor_that_was_changed_is_refused(place: int, character: str) -> None:
    text = CURSORS.seal("jobs", {}, ["2026-01-01T00:00:00+00:00", 17])
    changed = text[:place] + character + text[place + 1 :]
    if changed != text and changed.rstrip("=") != text:
        assert refused(CURSORS, "jobs", {}, changed)


def test_times_come_back_as_text() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    text = CURSORS.seal("jobs", {"after": moment}, moment)
    assert datetime.fromisoformat(CURSORS.open("jobs", {"after": moment}, text)) == moment


def test_all_admins_of_a_database_agree(make_app: Callable[..., App]) -> None:
    one, other, guarded, guarded_too = (
        make_app(),
        make_app(),
        make_app(api_token="a" * 16),
        make_app(api_token="a" * 16),
    )
    text = Cursors.of(one).seal("jobs", {}, 1)
    assert Cursors.of(other).open("jobs", {}, text) == 1
    assert Cursors.of(one) is Cursors.of(one)
    assert refused(Cursors.of(guarded), "jobs", {}, text)
    assert Cursors.of(guarded_too).open("jobs", {}, Cursors.of(guarded).seal("jobs", {}, 1)) == 1
