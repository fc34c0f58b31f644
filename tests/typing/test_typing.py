"""mypy and pyright, both strict, see a task as its function is typed, and flag each misuse and nothing else."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CASES = Path(__file__).parent / "cases"
TIMEOUT_SECONDS = 240


def mypy(tmp_path: Path) -> set[tuple[str, int]]:
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--hide-error-context"]
    command += ["--config-file", "", "--cache-dir", str(tmp_path / "cache"), *map(str, CASES.glob("*.py"))]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    found = re.findall(r"^(.*?):(\d+): error:", ran.stdout, re.MULTILINE)
    return {(Path(name).name, int(line)) for name, line in found}


def pyright(tmp_path: Path) -> set[tuple[str, int]]:
    if shutil.which("node") is None:
        pytest.skip("pyright runs on node, and would fetch one")
    for path in CASES.glob("*.py"):
        (tmp_path / path.name).write_text(path.read_text())
    settings = {"typeCheckingMode": "strict", "pythonVersion": "3.11", "include": ["."]}
    (tmp_path / "pyrightconfig.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(tmp_path), "--pythonpath", sys.executable]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    assert ran.returncode in (0, 1), ran.stdout + ran.stderr
    problems = json.loads(ran.stdout)["generalDiagnostics"]
    return {(Path(p["file"]).name, p["range"]["start"]["line"] + 1) for p in problems if p["severity"] == "error"}


def wrong_lines() -> set[tuple[str, int]]:
    return {
        (path.name, number)
        for path in CASES.glob("*.py")
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if "# wrong: " in line
    }


@pytest.mark.parametrize("checker", [mypy, pyright])
def test_each_misuse_is_flagged_and_nothing_else(checker: object, tmp_path: Path) -> None:
    assert callable(checker)
    found = checker(tmp_path)
    assert found == wrong_lines()
    assert len(found) > 20
