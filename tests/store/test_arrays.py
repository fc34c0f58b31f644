"""Arrays in the binary format are to PostgreSQL what their text would be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgflow.ids import IdMaker
from pgflow.store.arrays import doubles, integers, uuids

if TYPE_CHECKING:
    from chaos.sessions import Db


def test_what_is_written_is_what_postgresql_reads(db: Db) -> None:
    ids = IdMaker().make_many(3)
    numbers, seconds = [0, -1, 2**31 - 1], [0.1, -2.5e-300, 1e17]
    row = db.execute(
        "select %s::uuid[]::text[], %s::integer[], %s::double precision[]",
        [uuids(ids), integers(numbers), doubles(seconds)],
    ).fetchone()
    assert row == (ids, numbers, seconds)


def test_an_array_of_nothing_is_empty(db: Db) -> None:
    row = db.execute(
        "select %s::uuid[], %s::integer[], %s::float8[]", [uuids([]), integers([]), doubles([])]
    ).fetchone()
    assert row == ([], [], [])
