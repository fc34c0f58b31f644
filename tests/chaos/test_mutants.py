"""The mutants themselves: the table fits the tree, the two quickest are caught, and a harmless one is not."""

from __future__ import annotations

import pytest

from chaos.mutants import RottenError, Verdict, judge, rotten, run_tests
from chaos.mutants_more import ALL
from chaos.mutants_table import Edit

BY_NAME = {mutant.name: mutant for mutant in ALL}


def test_every_mutant_still_fits_the_tree() -> None:
    assert rotten(ALL) == []
    assert len(BY_NAME) == len(ALL)


@pytest.mark.parametrize("name", ["finish-without-fence", "reap-without-suspects"])
def test_a_mutant_is_caught_by_the_tests_named_for_it(name: str, server_url: str) -> None:
    mutant = BY_NAME[name]
    ran = run_tests(mutant.edits, mutant.caught_by, server_url)
    assert (judge(ran), ran.errors) == (Verdict.CAUGHT, "")


def test_without_a_mutant_the_same_tests_pass(server_url: str) -> None:
    tests = [test for name in ("finish-without-fence", "reap-without-suspects") for test in BY_NAME[name].caught_by]
    ran = run_tests((), tests, server_url)
    assert (judge(ran), len(ran.passed)) == (Verdict.SURVIVED, 2)


def test_a_change_that_is_a_slip_is_not_counted_as_caught(server_url: str) -> None:
    mutant = BY_NAME["finish-without-fence"]
    slip = Edit(mutant.edits[0].file, mutant.edits[0].old, "select j.* from nowhere as j")
    assert judge(run_tests([slip], mutant.caught_by, server_url)) is Verdict.BROKEN


def test_a_text_that_is_gone_is_an_error_by_name(server_url: str) -> None:
    with pytest.raises(RottenError, match="occurs 0 times"):
        run_tests([Edit("pyproject.toml", "no such text", "")], [], server_url)
