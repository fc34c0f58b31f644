"""The mutants themselves: the table fits the tree, one is caught, a slip is told from one, and no change passes."""

from __future__ import annotations

import pytest

from chaos.broken import ALL
from chaos.broken.kinds import Edit
from chaos.mutants import Ran, RottenError, Verdict, judge, rotten, run_tests

BY_NAME = {mutant.name: mutant for mutant in ALL}
FENCE = BY_NAME["finish-without-fence"]


def test_every_mutant_still_fits_the_tree() -> None:
    assert rotten(ALL) == []
    assert len(BY_NAME) == len(ALL)


def test_a_mutant_is_caught_by_the_test_named_for_it(server_url: str) -> None:
    ran = run_tests(FENCE.edits, FENCE.caught_by, server_url)
    assert (judge(ran), ran.passed, len(ran.failed), ran.errors) == (Verdict.CAUGHT, [], 1, "")


def test_a_change_that_breaks_nothing_is_not_counted_as_caught(server_url: str) -> None:
    harmless = Edit(FENCE.edits[0].file, "-- Acknowledge a whole flush", "-- Store a whole flush")
    ran = run_tests([harmless], FENCE.caught_by, server_url)
    assert (judge(ran), len(ran.passed)) == (Verdict.SURVIVED, 1)


def test_a_change_that_is_a_slip_is_not_counted_as_caught(server_url: str) -> None:
    slip = Edit(FENCE.edits[0].file, FENCE.edits[0].old, "select j.* from nowhere as j")
    assert judge(run_tests([slip], FENCE.caught_by, server_url)) is Verdict.BROKEN


def test_a_run_without_an_end_is_not_counted_as_caught() -> None:
    assert judge(Ran([], ["test_one"], "", 120.0, hung=True)) is Verdict.HUNG


def test_a_text_that_is_gone_is_an_error_by_name(server_url: str) -> None:
    with pytest.raises(RottenError, match="occurs 0 times"):
        run_tests([Edit("pyproject.toml", "no such text", "")], [], server_url)
