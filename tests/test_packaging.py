"""What is shipped: the wheel holds all that an installed pgflow reads."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_wheel_holds_migrations_statements_pages_and_the_typed_mark(tmp_path: Path) -> None:
    script = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    names = set(zipfile.ZipFile(tmp_path / done.stdout.split()[-1]).namelist())
    wanted = {f"pgflow/migrations/{path.name}" for path in (ROOT / "migrations").glob("*.sql")}
    wanted |= {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src/pgflow/store/sql").rglob("*.sql")}
    pages = ROOT / "src/pgflow/plugins/admin/pages"
    wanted |= {
        str(path.relative_to(ROOT / "src"))
        for folder in ("templates", "static")
        for path in (pages / folder).rglob("*.*")
        if path.is_file()
    }
    assert wanted | {"pgflow/py.typed", "pgflow/cli/__init__.py"} <= names
