"""What pgflow is made of: dependencies that are declared and bounded, no pickle, and bandit's rules with reasons."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT = PYPROJECT["project"]
OPTIONAL = {name: PROJECT["optional-dependencies"][name] for name in ("embedded", "uvloop", "reload")}
SHIPPED = sorted([*(ROOT / "src").rglob("*.py"), *ROOT.glob("contrib/*/src/**/*.py")])
DEPENDENCY = re.compile(r"(?P<name>[\w-]+)(\[[\w,]+\])?>=(?P<lowest>\d[\d.]*\d)(,<\d[\d.]*)?( *;.*)?")

PICKLERS = {"_pickle", "cloudpickle", "copyreg", "dill", "jsonpickle", "marshal", "pickle", "shelve"}
UNSAFE = {"__import__", "compile", "eval", "exec"}
"""What runs a text as code. `re.compile` is an attribute, these are names."""
PICKLING = {"multiprocessing", "concurrent.futures.process"}
"""Queues and pools between processes, whose values are pickled; tasks in children speak JSON over pipes."""
OF_PYDANTIC = {"pydantic_core"}
OF_PYTEST = {"pytest"}
"""Imported by `pgflow.testing`, which pytest itself loads."""


def ident(path: Path) -> str:
    return str(path.relative_to(ROOT))


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("dependency", [*PROJECT["dependencies"], *chain(*OPTIONAL.values())])
def test_every_dependency_has_a_lower_bound_for_the_lowest_session(dependency: str) -> None:
    assert DEPENDENCY.fullmatch(dependency), f"{dependency}: write name>=version, which `nox -s lowest` installs"


def test_what_is_imported_is_a_dependency_and_what_is_a_dependency_is_used() -> None:
    roots = {name.partition(".")[0] for path in (ROOT / "src").rglob("*.py") for name in imported(path)}
    outside = roots - set(sys.stdlib_module_names) - {"pgflow"} - OF_PYDANTIC - OF_PYTEST
    declared = {_module(text) for text in PROJECT["dependencies"]}
    assert outside - {_module(text) for text in OPTIONAL["reload"]} <= declared
    # of time zones there is nothing to import, zoneinfo finds them
    assert declared - outside == {"tzdata"}


def _module(dependency: str) -> str:
    return re.split(r"[\[>;]", dependency)[0].strip().replace("-", "_")


def test_nothing_is_pickled_and_no_text_is_run_as_code() -> None:
    assert [found for path in SHIPPED for found in _unsafe(path)] == []


def _unsafe(path: Path) -> Iterator[str]:
    modules = {part for name in imported(path) for part in (name, name.partition(".")[0])}
    yield from (f"{ident(path)} imports {name}" for name in modules & (PICKLERS | PICKLING))
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Call) and ((name := _called(node)) in UNSAFE or name.startswith("yaml.")):
            yield f"{ident(path)}:{node.lineno} calls {name}"


def test_the_rule_against_pickle_sees_what_it_is_to_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    sample = tmp_path / "sample.py"
    sample.write_text("def f():\n    from multiprocessing import Queue\n    import pickle as json\n    eval('1')\n")
    said = {"sample.py imports multiprocessing", "sample.py imports pickle", "sample.py:4 calls eval"}
    assert set(_unsafe(sample)) == said


def _called(node: ast.Call) -> str:
    if isinstance(node.func, ast.Name):
        return node.func.id
    if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
        return f"{node.func.value.id}.{node.func.attr}"
    return ""


def test_bandits_rules_are_on_for_all_that_is_shipped() -> None:
    lint = PYPROJECT["tool"]["ruff"]["lint"]
    assert lint["select"] == ["ALL"]
    assert [rule for rule in lint["ignore"] if re.match(r"S\d", rule)] == []
    for pattern, rules in lint["per-file-ignores"].items():
        if pattern.startswith("src") or pattern == "contrib/**/src/**":
            assert [rule for rule in rules if re.match(r"S\d|S$|ALL", rule)] == [], pattern
    assert not {"exclude", "extend-exclude"} & PYPROJECT["tool"]["ruff"].keys()


def test_every_rule_of_bandit_that_is_waived_has_its_reason_behind_it() -> None:
    lines = [(path, line) for path in SHIPPED for line in path.read_text("utf-8").splitlines()]
    waivers = [(ident(path), found[1]) for path, line in lines if (found := re.search(r"#.*?\bnoqa\b(.*)", line))]
    of_bandit = [(name, text) for name, text in waivers if not text.startswith(":") or re.search(r"\bS\d{3}\b", text)]
    assert len(of_bandit) > 10
    assert [waiver for waiver in of_bandit if not re.match(r": [A-Z0-9, ]+ - \w.{4,}", waiver[1])] == []


def test_no_file_waives_rules_of_bandit_for_all_of_itself() -> None:
    whole = re.compile(r"# ruff: noqa(?!: (?!S\d)[A-Z]+\d+( |$))", re.MULTILINE)
    assert [ident(path) for path in SHIPPED if whole.search(path.read_text("utf-8"))] == []
