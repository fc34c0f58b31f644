"""`pgflow bench`: what it prints, what it leaves behind (nothing), and what it says to words it cannot use."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from pgflow import cli
from pgflow.bench.report import parsed, written
from pgflow.bench.scenarios import ALL, CATALOGUE

if TYPE_CHECKING:
    from collections.abc import Iterator

GUIDE = (Path(__file__).parents[2] / "docs" / "how-to" / "benchmark-your-database.md").read_text("utf-8")


@pytest.fixture
def lesser(server_url: str, migrated_url: str) -> Iterator[str]:
    """The address of a role that may not make databases."""
    role = f"plain_{conninfo_to_dict(migrated_url)['dbname']}"
    with psycopg.connect(server_url, autocommit=True) as conn:
        conn.execute(f"create role {role} login")
        yield make_conninfo(migrated_url, user=role)
        conn.execute(f"drop role {role}")


def databases(server_url: str) -> set[str]:
    with psycopg.connect(server_url, autocommit=True) as conn:
        return {name for (name,) in conn.execute("select datname from pg_database where datname ~ '^pgflow_bench'")}


def test_a_run_tells_a_line_for_programs_and_leaves_nothing_behind(
    migrated_url: str, server_url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("PGFLOW_DATASET_BUCKET", "none")
    before = databases(server_url)
    path = tmp_path / "figures.json"
    words = ["bench", "drain", "--jobs", "50", "--runs", "2", "--json", str(path), "--dsn", migrated_url]
    assert cli.run(words, debug=True) == 0
    told = capfd.readouterr()
    last = parsed(told.out.splitlines()[-1])
    assert list(last)[:3] == ["scenario", "workers", "jobs_per_sec"]
    assert last["scenario"] == "drain"
    assert last["workers"] == 1
    assert {"cpu_us_per_job", "client_cpu_us_per_job", "server_cpu_us_per_job", "wal_bytes_per_job"} < last.keys()
    assert re.findall(r"run (\d): (\w+)", told.err) == [("1", "drain"), ("2", "drain")]
    document = json.loads(path.read_text("utf-8"))
    assert [run["workers"] for run in document["scenarios"]["drain"]["runs"]] == [1, 1]
    assert document["server"].keys() >= {"fsync", "server_version"}
    left = databases(server_url) - before  # those of tests beside this one go by themselves
    end = time.monotonic() + 60
    while left & databases(server_url):
        assert time.monotonic() < end, left
        time.sleep(0.1)
    with psycopg.connect(migrated_url) as conn:
        assert conn.execute("select count(*) from pgflow.jobs").fetchone() == (0,)


def test_the_list_names_every_scenario_with_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [scenario.name for scenario in ALL]
    assert len(CATALOGUE) == len(ALL), "names are unique"
    assert all(scenario.about for scenario in ALL)


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_scenario_is_in_the_guide(name: str) -> None:
    assert f"`{name}`" in GUIDE


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["drian"], "no scenario drian; there are: drain, "),
        (["--jobs", "1"], "jobs"),
        (["--runs", "0"], "runs"),
        (["--against", "river"], "against"),
        (["--backend", "gevent"], "backend"),
        (["--json", "no/such/place.json"], "there is no directory no/such"),
    ],
)
def test_words_it_cannot_use_are_refused_before_anything_is_made(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["bench", *words, "--dsn", "postgresql://127.0.0.1:1/none"]) == 2
    assert said in capsys.readouterr().err


def test_a_role_that_may_not_make_databases_is_told_what_to_do(lesser: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--dsn", lesser]) == 3
    assert re.search(r"needs a database of its own: alter role … createdb", capsys.readouterr().err)


def test_a_server_that_is_not_there_or_not_named_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli.run(["bench", "--dsn", "postgresql://user:secret-word@127.0.0.1:1/none"]) == 3
    said = capsys.readouterr().err
    assert "no database can be made at user@127.0.0.1:1/none" in said
    assert "secret-word" not in said
    monkeypatch.setenv("PGFLOW_EMBEDDED", "0")
    assert cli.run(["bench"]) == 3
    assert "set PGFLOW_DATABASE_URL" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (3.0, "3"), (0.1234, "0.12"), (12.34, "12.3"), (1234.5, "1,234")]
)
def test_numbers_are_told_with_what_they_mean(value: float | None, text: str) -> None:
    assert written(value, thousands=True) == text


def test_a_figure_that_is_not_known_is_read_back_as_none() -> None:
    assert parsed("BENCH_RESULT scenario=idle jobs_per_sec=- rss_mb=61.5") == {
        "scenario": "idle", "jobs_per_sec": None, "rss_mb": 61.5,
    }  # fmt: skip
