"""The comparison with other queues: its arithmetic, its report, its command, and pgflow's adapter on real jobs."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from bench.__main__ import main
from bench.peers.compare import Comparison
from bench.peers.figures import bench_result, of, ratio, spread, summary
from bench.peers.install import copy_adapters
from bench.peers.places import Postgres, redis
from bench.peers.processes import Ledger
from bench.peers.report import BEGIN, END, lines, read, report
from bench.peers.systems import ROOT, SYSTEMS
from bench.peers.targets import TARGETS

if TYPE_CHECKING:
    from pathlib import Path


def drained(system: str, number: int, rate: float, **more: Any) -> dict[str, Any]:
    figures = {"client_cpu_us_per_job": 11.0, "server_cpu_us_per_job": 10.5, "cpu_us_per_job": 21.5, "rss_mb": 66.0}
    figures |= {"wal_bytes_per_job": 390.0, "jobs_per_sec": rate, "jobs": 1000, "ran_once": 1000, "ran_more": 0}
    return {"scenario": "drain", "system": system, "round": number, **figures, **more}


def late(system: str, number: int, p50: float) -> dict[str, Any]:
    return {"scenario": "latency", "system": system, "round": number, "p50_ms": p50, "p99_ms": 3 * p50}


def held(system: str, *rates: float) -> dict[str, Any]:
    over = rates[-1] / rates[0]
    return {"scenario": "held-snapshot", "system": system, "round": 1, "rates": rates, "rate_last_over_first": over}


RESULTS = [
    drained("pgflow", 1, 60_000.0), drained("graphile-worker", 1, 40_000.0), drained("celery", 1, 1_000.0),
    drained("pgflow", 2, 30_000.0), drained("graphile-worker", 2, 20_000.0), drained("celery", 2, 1_500.0),
    drained("pgflow", 3, 64_000.0), drained("graphile-worker", 3, 32_000.0),
    late("pgflow", 1, 1.5), late("celery", 1, 0.5), held("pgflow", 4.0, 4.0, 3.8), held("pgqueuer", 4.0, 3.0, 1.0),
]  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    found = {
        "at": "2026-11-26T10:00:00+00:00",
        "machine": {"cores": 2, "python": "3.11.7", "system": "Linux"},
        "postgresql": {"server_version": "15.18", "fsync": "on", "synchronous_commit": "on"},
        "redis": {"redis_version": "7.0.15", "flags": "--appendonly no"},
        "left_out": {"pg-boss": "not there\nat all"},
        "results": RESULTS,
    }
    path = tmp_path / "run.json"
    path.write_text(json.dumps(found), "utf-8")
    return path


def test_a_ratio_is_taken_pair_by_pair_within_a_round() -> None:
    ours, theirs = (of(RESULTS, "drain", name, "jobs_per_sec") for name in ("pgflow", "graphile-worker"))
    assert ratio(ours, theirs) == (1.5, 1.5, 2.0)
    assert ratio(ours, {}) is None
    assert ratio({1: 2.0, 2: 9.0}, {1: 4.0, 3: 1.0}) == (0.5, 0.5, 0.5), "rounds that only one has say nothing"


def test_a_figure_is_its_median_with_the_least_and_the_most() -> None:
    assert spread([3.0, 1.0, 2.0]) == (2.0, 1.0, 3.0)


def test_the_last_line_is_for_programs() -> None:
    assert bench_result(RESULTS) == (
        "BENCH_RESULT workers=1 jobs_per_sec=60000 cpu_us_per_job=21.5 wal_bytes_per_job=390 "
        "over_graphile_worker=1.50 over_celery=40.00"
    )
    assert bench_result([]) == "BENCH_RESULT workers=1 jobs_per_sec=- cpu_us_per_job=- wal_bytes_per_job=-"


def test_every_system_of_every_scenario_has_a_line() -> None:
    said = summary(RESULTS)
    assert len(said) == 7
    assert "jobs_per_sec=60,000 (30,000-64,000)" in said[0]
    assert "pgflow/this=1.50 (1.50-2.00)" in said[1]


def test_the_report_writes_between_its_markers_and_nowhere_else(run: Path, tmp_path: Path) -> None:
    page, images = tmp_path / "page.md", tmp_path / "images"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", "utf-8")
    report([run], page, images)
    first = page.read_text("utf-8")
    report([run], page, images)
    assert page.read_text("utf-8") == first, "written twice is written once"
    assert first.startswith(f"before\n{BEGIN}\n")
    assert first.endswith(f"{END}\nafter\n")
    assert "old" not in first
    assert {path.name for path in images.iterdir()} == {"drain.svg", "cpu.svg", "latency.svg", "held-snapshot.svg"}


def test_plots_are_small_svg_for_dark_and_light(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(BEGIN + END, "utf-8")
    report([run], page, tmp_path)
    for path in tmp_path.glob("*.svg"):
        text = path.read_text("utf-8")
        assert ET.fromstring(text).tag.endswith("svg")  # noqa: S314  (we have written it)
        assert "prefers-color-scheme:dark" in text
        assert len(text) < 10_000


def test_a_page_without_markers_is_refused(run: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing", "utf-8")
    with pytest.raises(ValueError, match="no markers"):
        report([run], page, tmp_path)


def test_the_tables_name_what_was_measured_and_what_was_not(run: Path) -> None:
    said = "\n".join(lines(read([run])))
    assert "| graphile-worker | 32,000 (20,000-40,000) | 1.50x (1.50-2.00) |" in said
    assert "| drain over Celery | ≥ 40x | 40.0x | yes |" in said
    assert "| median latency over the best of all | ≤ 1x | 3.00x | **no** |" in said
    assert "| an idle worker's memory | ≤ 60 MB | not measured in this run | - |" in said
    assert "Left out: pg-boss, not there." in said
    assert "each ran exactly once" in said
    assert all(f"| {target.what} |" in said for target in TARGETS)


def test_rounds_of_several_files_are_counted_on(run: Path) -> None:
    results = read([run, run])["results"]
    assert sorted(of(results, "drain", "pgflow", "jobs_per_sec")) == [1, 2, 3, 4, 5, 6]


def test_a_job_that_ran_twice_is_told(run: Path) -> None:
    found = read([run])
    found["results"].append(drained("celery", 3, 1.0, ran_once=998, ran_more=2))
    assert "Jobs that ran other than once: some of celery." in "\n".join(lines(found))


def test_the_page_of_the_docs_has_the_markers() -> None:
    text = (ROOT / "docs" / "benchmarking.md").read_text("utf-8")
    assert text.index(BEGIN) < text.index(END)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["drian"], "no scenario is called drian; there are drain"),
        (["drain", "--systems", "pgflow,sidekiq"], "no system is called sidekiq; there are pgflow"),
        (["drain", "--runs", "0"], "at least 1"),
        (["report"], "required: FILE"),
    ],
)
def test_what_cannot_be_run_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_missing_redis_is_said_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(FileNotFoundError, match="apt-get install redis-server"), redis():
        pass


def test_the_ledger_tells_jobs_that_ran_once_from_others(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger", jobs=10, every=4)
    assert (ledger.unrun(10), len(ledger.stamps())) == (10, 3)
    content = bytearray(ledger.path.read_bytes())
    content[:3] = (1, 1, 2)
    ledger.path.write_bytes(content)
    assert ledger.unrun(10) == 7
    assert ledger.unrun(3) == 0
    assert ledger.runs() == {1: 2, 2: 1, 0: 7}


@pytest.mark.parametrize("name", [name for name in SYSTEMS if not name.startswith("pgflow-")])
def test_a_system_drains_a_hundred_jobs_once_each(name: str, server_url: str) -> None:
    system = SYSTEMS[name]
    if reason := system.lacks():
        pytest.skip(f"{name}: {reason}")
    if system.store == "redis" and not shutil.which("redis-server"):
        pytest.skip(f"{name}: redis-server is not installed")
    copy_adapters()
    told: list[str] = []
    if system.store == "redis":
        with redis() as server:
            results = [*Comparison(Postgres(server_url), server, {}, told.append).run("drain", [system], 1, 2_000)]
    else:
        results = [*Comparison(Postgres(server_url), None, {}, told.append).run("drain", [system], 1, 100)]
    assert results, told
    assert results[0]["ran_once"] == results[0]["jobs"]
    assert results[0]["jobs_per_sec"] > 0
    assert results[0]["client_cpu_us_per_job"] > 0
