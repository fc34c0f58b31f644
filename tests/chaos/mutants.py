"""Breaks pgflow on purpose, a rule at a time, and sees whether the tests notice: `python -m chaos.mutants`.

Each mutant is made in a copy of the tree; the tests named for it run there, on the copy's code.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from xml.etree import ElementTree as ET

from chaos.broken import ALL
from pgflow.store import databases
from pgflow.store.embedded import acquire

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from chaos.broken.kinds import Edit, Mutant

ROOT: Final = Path(__file__).parents[2]
COPIED: Final = ("src", "migrations", "tests", "pyproject.toml")
TEST_SECONDS: Final = 300
PLUGINS: Final = ("-p", "anyio", "-p", "pgflow.testing.plugin")
"""All that the tests need: with the others of an environment a run takes twice as long to start."""
PROGRAM: Final = """
import sys
from pathlib import Path

import pytest

copy = Path(sys.argv[1])
code = pytest.main(sys.argv[2:])

import pgflow
from pgflow.store.migrate import available

# imported behind the tests: pytest wants to be the first who imports what has a plugin of its own
if not Path(pgflow.__file__).is_relative_to(copy):
    sys.stderr.write(f"{pgflow.__file__} was tested, not the copy")
    code = 9
if {m.sql for m in available()} != {f.read_text("utf-8") for f in (copy / "migrations").glob("*.sql")}:
    sys.stderr.write("the migrations of the copy were not used")
    code = 9
sys.exit(code)
"""
SLIPS: Final = (
    "SyntaxError", "NameError", "ImportError", "IndentationError", "UndefinedColumn", "UndefinedTable",
    "UndefinedFunction", "UndefinedParameter", "AmbiguousColumn", "InvalidColumnReference",
)  # fmt: skip


class Verdict(Enum):
    """What became of a mutant; all but the first are bad news."""

    CAUGHT = "caught"
    SURVIVED = "SURVIVED"
    HUNG = "HUNG: a test has to fail by itself"
    BROKEN = "BROKEN: the change is a slip, not a mutant"


class Ran(NamedTuple):
    """How a run of tests ended: `passed` and `failed` name tests, `errors` tells what went wrong beside them."""

    passed: list[str]
    failed: list[str]
    errors: str
    seconds: float
    hung: bool = False


class RottenError(Exception):
    """A text that a mutant changes is no longer there exactly once."""


def rotten(mutants: Iterable[Mutant], root: Path = ROOT) -> list[str]:
    """Name what of the table no longer fits the tree: texts that do not occur once, tests that are not there."""
    found = []
    for mutant in mutants:
        for edit in mutant.edits:
            times = (root / edit.file).read_text("utf-8").count(edit.old)
            if times != 1:
                found.append(f"{mutant.name}: {edit.old!r} occurs {times} times in {edit.file}, not once")
        for test in mutant.caught_by:
            file, _, name = test.partition("::")
            if f"def {name.partition('[')[0]}(" not in (root / file).read_text("utf-8"):
                found.append(f"{mutant.name}: there is no {test}")
    return found


def run_tests(edits: Sequence[Edit], tests: Sequence[str], server: str) -> Ran:
    """Run tests on a copy of the tree with these edits made in it. Raises `RottenError`."""
    with tempfile.TemporaryDirectory(prefix="pgflow-mutant-") as place:
        copy = Path(place).resolve()
        for name in COPIED:
            _copy(ROOT / name, copy / name)
        for edit in edits:
            _apply(edit, copy)
        return _run(copy, tests, server)


def judge(ran: Ran) -> Verdict:
    """Say what a run of the tests made of a mutant."""
    if ran.hung:
        return Verdict.HUNG
    if ran.errors:
        return Verdict.BROKEN
    return Verdict.CAUGHT if ran.failed else Verdict.SURVIVED


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copy(source, target)
    else:
        # with what is compiled: it goes by a file's time and size, and an edited file has others
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(".*"))


def _apply(edit: Edit, copy: Path) -> None:
    file = copy / edit.file
    text = file.read_text("utf-8")
    if text.count(edit.old) != 1:
        msg = f"{edit.old!r} occurs {text.count(edit.old)} times in {edit.file}, not once: mend the table"
        raise RottenError(msg)
    file.write_text(text.replace(edit.old, edit.new), "utf-8")


def _run(copy: Path, tests: Sequence[str], server: str) -> Ran:
    report = copy / "report.xml"
    command = [sys.executable, "-c", PROGRAM, str(copy), "-q", "-p", "no:cacheprovider", *PLUGINS]
    command += [f"--junitxml={report}", *tests]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PGFLOW_", "PYTEST_"))}
    environment |= {
        "PYTHONPATH": str(copy / "src"),
        "PGFLOW_TEST_DATABASE_URL": server,
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    began = time.monotonic()
    limit = TEST_SECONDS + 10 * len(tests)
    try:
        ended = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=limit)  # noqa: PLW1510 - how it ended is read below
    except subprocess.TimeoutExpired:
        return Ran([], [], "", time.monotonic() - began, hung=True)
    seconds = time.monotonic() - began
    if ended.returncode not in (0, 1) or not report.exists():
        return Ran([], [], ended.stdout[-2000:] + ended.stderr[-2000:] or "pytest did not run", seconds)
    return _read(report, seconds)


def _read(report: Path, seconds: float) -> Ran:
    passed, failed, errors = [], [], []
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - written by our own pytest
        name = str(case.get("name"))
        texts = [f"{part.get('message')}\n{part.text}" for part in case if part.tag in ("failure", "error")]
        slips = [text for text in texts if any(slip in text for slip in SLIPS)]
        if slips or case.find("error") is not None:
            errors += [f"{name}: {text[-1500:]}" for text in slips or texts]
        elif texts:
            failed.append(name)
        elif case.find("skipped") is None:
            passed.append(name)
    return Ran(passed, failed, "\n".join(errors), seconds)


def _unmutated(mutants: Sequence[Mutant], server: str) -> bool:
    tests = sorted({test for mutant in mutants for test in mutant.caught_by})
    ran = run_tests((), tests, server)
    whole = not (ran.failed or ran.errors or ran.hung) and len(ran.passed) >= len(tests)
    sys.stdout.write(f"unmutated: {len(ran.passed)} tests passed in {ran.seconds:.1f} s\n")
    if not whole:
        sys.stdout.write(f"unmutated, these must pass and do not: {ran.failed} {ran.errors}\n")
    return whole


def _all_caught(mutants: Sequence[Mutant], server: str, jobs: int) -> bool:
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as threads:
        runs = threads.map(lambda mutant: run_tests(mutant.edits, mutant.caught_by, server), mutants)
        caught = [_tell(mutant, ran) for mutant, ran in zip(mutants, runs, strict=True)]
    counts = f"mutants={len(caught)} caught={sum(caught)} not_caught={len(caught) - sum(caught)}"
    sys.stdout.write(f"MUTANTS_RESULT {counts} seconds={time.monotonic() - began:.0f}\n")
    return all(caught)


def _tell(mutant: Mutant, ran: Ran) -> bool:
    verdict = judge(ran)
    by = f" by {', '.join(ran.failed)}" if ran.failed else ""
    sys.stdout.write(f"{mutant.name:38} {verdict.value}{by} in {ran.seconds:.1f} s\n{ran.errors}")
    sys.stdout.flush()
    return verdict is Verdict.CAUGHT


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants asked for; 1 where one is not caught, or where the tests fail without any."""
    parser = argparse.ArgumentParser(prog="chaos.mutants", description=__doc__)
    parser.add_argument("--only", action="append", metavar="NAME", choices=[m.name for m in ALL], help="repeatable")
    parser.add_argument("--list", action="store_true", help="name the mutants and what they break")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="how many are tested at once (%(default)s)")
    given = parser.parse_args(arguments)
    mutants = [mutant for mutant in ALL if not given.only or mutant.name in given.only]
    if given.list:
        sys.stdout.writelines(f"{mutant.name:38} {mutant.breaks}\n" for mutant in mutants)
        return 0
    if rot := rotten(mutants):
        sys.stdout.write("\n".join(["the table has rotted:", *rot, ""]))
        return 1
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pgflow-mutants-")))
        server = stack.enter_context(acquire(place / "postgres")).url
        databases.hasten(server)
        return 0 if _unmutated(mutants, server) and _all_caught(mutants, server, given.jobs) else 1


if __name__ == "__main__":
    sys.exit(main())
