"""Where the next claim reads: the head while it is cheap, past the dead once it is dear, and never long away."""

from __future__ import annotations

from pgflow.store.claims import HEAD, NIL, Mark
from pgflow.worker.reader import Reader

MARK = Mark(0, "2026-11-24 20:00", NIL)
ROWS = 500


def claims(reader: Reader, count: int, head: float, past: float, *, now: float = 0.0) -> tuple[int, float]:
    """Claim full batches that take so many seconds; gives how many read the head, and the time then."""
    heads = 0
    for _ in range(count):
        start = reader.start(now)
        seconds = head if start is HEAD else past
        heads += start is HEAD
        now += seconds
        reader.note(start, seconds, ROWS, MARK, now)
    return heads, now


def test_while_the_head_costs_what_jobs_do_it_is_read_each_time() -> None:
    assert claims(Reader(), 100, 0.007, 0.007)[0] == 100


def test_a_head_that_grows_dearer_a_little_each_time_is_left_all_the_same() -> None:
    reader, now, heads = Reader(), 0.0, 0
    for claim in range(400):
        before = now
        read, now = claims(reader, 1, 0.007 * 1.005**claim, 0.007, now=now)
        heads += read
        if claim == 300:
            late, began, heads = now, before, 0
    # a tenth of the time goes to the head
    assert heads <= 12
    assert now - late < 100 * 0.007 * 1.4
    assert began < late


def test_the_head_is_read_at_least_each_two_seconds() -> None:
    reader = Reader()
    claims(reader, 50, 0.007, 0.007)
    reader.note(HEAD, 30.0, ROWS, MARK, 100.0)
    assert reader.start(101.9) is MARK
    assert reader.start(102.1) is HEAD


def test_jobs_that_grow_are_not_taken_for_the_dead_for_long() -> None:
    reader = Reader()
    _, now = claims(reader, 100, 0.007, 0.007)
    _, now = claims(reader, 100, 0.05, 0.05, now=now)
    heads, _ = claims(reader, 100, 0.05, 0.05, now=now)
    assert heads == 100


def test_behind_an_empty_mark_the_head_is_read() -> None:
    reader = Reader()
    claims(reader, 50, 0.007, 0.007)
    reader.note(HEAD, 0.5, ROWS, MARK, 1.0)
    assert reader.start(1.0) is MARK
    reader.want_head()
    assert reader.start(1.0) is HEAD
    # it had a few jobs, and then none: what is new is past the mark, until it is time for the head again
    reader.note(HEAD, 0.5, 3, Mark(-9, "2026-11-24 20:00", NIL), 1.5, full=False)
    assert reader.start(1.6) is MARK
    reader.note(HEAD, 0.5, ROWS, urgent := Mark(-9, "2026-11-24 20:00", NIL), 1.7)
    assert reader.start(1.8) is urgent
