"""The plugins of contrib/ are an outsider's: built by themselves, found once installed, made of public names alone."""

from __future__ import annotations

import ast
import importlib
import json
import os
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

CONTRIB = Path(__file__).parents[1] / "contrib"
DISTRIBUTIONS = sorted(path.parent for path in CONTRIB.glob("*/pyproject.toml"))
PUBLIC = {"pgflow", "pgflow.admin", "pgflow.commands", "pgflow.testing"}


def project(folder: Path) -> dict[str, object]:
    given: dict[str, object] = tomllib.loads((folder / "pyproject.toml").read_text("utf-8"))["project"]
    return given


def imported(path: Path) -> Iterator[tuple[str, str]]:
    """Every module a file imports from, with each name."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def test_there_is_at_least_one() -> None:
    assert [folder.name for folder in DISTRIBUTIONS] == ["pgflow-webhook"]


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda folder: folder.name)
def test_it_imports_names_that_are_public_and_nothing_it_does_not_depend_on(folder: Path) -> None:
    needed = {str(name).replace("-", "_") for name in project(folder)["dependencies"]}  # type: ignore[attr-defined]
    own = {path.name for path in (folder / "src").iterdir()}
    for path in (folder / "src").rglob("*.py"):
        for module, name in imported(path):
            root = module.partition(".")[0]
            assert root in needed | own | set(sys.stdlib_module_names), f"{path.name} imports {module}"
            if root == "pgflow":
                assert module in PUBLIC, f"{path.name} imports {module}"
                assert not name or name in importlib.import_module(module).__all__, f"{path.name}: {module}.{name}"


@pytest.mark.parametrize("folder", DISTRIBUTIONS, ids=lambda folder: folder.name)
def test_its_wheel_holds_all_it_reads_and_is_found_once_installed(folder: Path, tmp_path: Path) -> None:
    script = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    built = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, timeout=60, check=True
    )
    site = tmp_path / "site"
    with zipfile.ZipFile(tmp_path / built.stdout.split()[-1]) as wheel:
        wheel.extractall(site)
    shipped = {path.relative_to(site).as_posix() for path in site.rglob("*.sql")}
    assert shipped == {path.relative_to(folder / "src").as_posix() for path in (folder / "src").rglob("*.sql")} != set()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PGFLOW_")}
    listed = subprocess.run(
        [sys.executable, "-m", "pgflow", "plugins", "--json"],
        cwd=tmp_path, env={**kept, "PYTHONPATH": str(site)}, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    found = [item for item in json.loads(listed.stdout)["items"] if item["distribution"] == project(folder)["name"]]
    assert [(item["state"], item["why"]) for item in found] == [("on", "")]
