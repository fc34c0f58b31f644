"""The tutorial of plugins: its blocks are the files of the example, and what it promises happens."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
import tomllib
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.request import urlopen

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "first_plugin"
PAGE = (ROOT / "docs" / "first-plugin.md").read_text("utf-8")
FILES: dict[str, str] = dict(re.findall(r"<!-- file: (\S+) -->\n```\w+\n(.*?)```\n", PAGE, re.DOTALL))
SHOWN: dict[str, str] = dict(re.findall(r"<!-- shown: (\S+) -->\n```\w+\n(.*?)```\n", PAGE, re.DOTALL))
PROJECT = tomllib.loads(FILES["pyproject.toml"])["project"]
INFO = f"{PROJECT['name'].replace('-', '_')}-{PROJECT['version']}.dist-info"
ENTRY_POINTS = "[pgflow]\n" + "".join(f"{n} = {v}\n" for n, v in PROJECT["entry-points"]["pgflow"].items())
NIGHT = {"PGFLOW_QUIET_FIRST_HOUR": "0", "PGFLOW_QUIET_LAST_HOUR": "24"}
DAY = {"PGFLOW_QUIET_FIRST_HOUR": "0", "PGFLOW_QUIET_LAST_HOUR": "0"}


@pytest.fixture
def environment(tmp_path: Path, migrated_url: str) -> dict[str, str]:
    """Where the plugin is installed, as pip leaves it: importable, with its entry point."""
    info = tmp_path / INFO
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PROJECT['name']}\nVersion: {PROJECT['version']}\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return {**os.environ, "PYTHONPATH": str(tmp_path), "PGFLOW_DATABASE_URL": migrated_url, "COLUMNS": "200"}


@pytest.fixture
def worker(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """The page's worker, with its admin at any port that is free."""
    command = [sys.executable, "-m", "pgflow", "worker", "-A", "try_it:app", "--admin", "127.0.0.1:0"]
    process = subprocess.Popen(
        command, cwd=environment["PYTHONPATH"], env=environment | DAY, stderr=subprocess.PIPE, text=True
    )
    # what waits for a line of a silent worker then reads the end
    patience = threading.Timer(60, process.kill)
    patience.start()
    yield process
    process.terminate()
    process.communicate()
    patience.cancel()


def run(*words: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, *words], cwd=environment["PYTHONPATH"], env=environment, capture_output=True, text=True,
        timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def until(condition: Callable[[], Any], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def rows(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_its_blocks_are_the_files_of_the_example() -> None:
    assert {path.name for path in EXAMPLE.iterdir() if path.is_file()} == FILES.keys()
    for name, text in FILES.items():
        assert (EXAMPLE / name).read_text("utf-8") == text, name


def test_the_plugin_is_listed_as_the_page_shows_and_its_command_works(environment: dict[str, str]) -> None:
    listed = rows(run("-m", "pgflow", "plugins", environment=environment))
    assert [row for row in listed if row[0] in ("plugin", "quiet")] == rows(SHOWN["plugins"])
    assert run("-m", "pgflow", "quiet", environment=environment | NIGHT) == "it is night\n"
    assert run("-m", "pgflow", "quiet", environment=environment | DAY) == "it is day\n"


def test_it_is_switched_off_as_the_page_says(environment: dict[str, str]) -> None:
    assert ["quiet", "off"] in [
        row[:2] for row in rows(run("-m", "pgflow", "--no-plugin", "quiet", "plugins", environment=environment))
    ]
    assert run("try_it.py", environment=environment | NIGHT | {"PGFLOW_DISABLED_PLUGINS": "quiet"}).startswith("enq")


def test_at_night_a_job_is_refused_and_the_decision_is_on_record(environment: dict[str, str]) -> None:
    assert run("try_it.py", environment=environment | NIGHT) == SHOWN["night"]
    head, row = rows(run("-m", "pgflow", "decisions", environment=environment))
    shown_head, shown_row = rows(SHOWN["decisions"])
    assert (head, row[2:]) == (shown_head, shown_row[2:])


def test_the_workers_admin_shows_the_failure_that_the_page_shows(
    environment: dict[str, str], worker: subprocess.Popen[str]
) -> None:
    assert run("try_it.py", environment=environment | DAY).startswith("enqueued ")
    assert worker.stderr is not None
    address = next(found[1] for line in worker.stderr if (found := re.search(r"admin at (http://\S+)", line)))
    until(lambda: asked(address)["failures"])
    assert asked(address) == json.loads(SHOWN["endpoint"])


def asked(address: str) -> Any:
    with urlopen(f"{address}quiet", timeout=10) as response:  # noqa: S310 - this machine's
        return json.load(response)


def test_its_tests_pass(environment: dict[str, str], server_url: str) -> None:
    given = {**environment, "PGFLOW_TEST_DATABASE_URL": server_url}
    del given["PGFLOW_DATABASE_URL"]
    assert SHOWN["pytest"].strip() in run(
        "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", environment=given
    )


def test_its_wheel_holds_the_module_and_the_entry_point(environment: dict[str, str], tmp_path: Path) -> None:
    built = run("-c", "from hatchling.build import build_wheel; print(build_wheel('dist'))", environment=environment)
    name = built.split()[-1]
    assert f"`dist/{name}`" in PAGE
    with zipfile.ZipFile(tmp_path / "dist" / name) as wheel:
        assert "quiet_hours.py" in wheel.namelist()
        assert wheel.read(f"{INFO}/entry_points.txt").decode().split() == ENTRY_POINTS.split()
