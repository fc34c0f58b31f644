"""`python -m bench.scale`: a case is measured as it says, hosts leave nothing behind, and the report is well made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from bench.scale import report
from bench.scale.cases import LAYOUTS, WORKS, Case, run
from bench.scale.hosts import NoHostsError, hosts
from pgflow.bench.ground import Ground

if TYPE_CHECKING:
    from pathlib import Path


def row(processes: int, number: int, rate: float, **more: Any) -> dict[str, Any]:
    return {
        "work": "nothing", "layout": "one", "processes": processes, "round": number, "jobs_per_sec": rate,
        "client_cpu_us_per_job": 12.0, "server_cpu_us_per_job": 11.0, "wal_bytes_per_job": 350.0, "client_cores": 0.6,
        "server_cores": 0.5, "connections": 6, "batch": 500.0, "read_per_job": 1.0, "empty_claims": None,
        "busy_sessions": 1.5, "waits": {"claim cpu": 1.0, "commit IO:WALSync": 0.5}, **more,
    }  # fmt: skip


def document(*rows: dict[str, Any]) -> str:
    machine = {"cores": 2, "system": "Linux", "python": "3.13"}
    server = {"server_version": "15.14", "fsync": "on"}
    left_out = {"hosts": "no `ip` here"}
    return json.dumps({
        "at": "2026-11-26T10:00:00+00:00", "machine": machine, "postgresql": server, "left_out": left_out,
        "results": rows,
    })  # fmt: skip


def test_each_of_two_processes_drains_a_queue_of_its_own(server_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGFLOW_DATASET_BUCKET", "none")
    with Ground(server_url) as ground:
        found = run(ground, Case(work="nothing", layout="own", processes=2), share=0.02)
    assert found["jobs"] == 2_000
    assert found["read_per_job"] >= 1
    assert found["batch"] >= 1
    assert found["connections"] >= 2
    assert found["client_cores"] > 0
    assert found["busy_sessions"] == pytest.approx(sum(found["waits"].values()))


def test_a_case_has_the_jobs_and_queues_of_its_layout() -> None:
    assert Case(work="nothing", layout="one", processes=4).load(1.0).queue_names == ["bench"]
    assert len(Case(work="nothing", layout="eight", processes=2).load(1.0).queue_names) == 8
    assert len(Case(work="python", layout="own", processes=4).load(1.0).queue_names) == 4
    assert Case(work="rest-1ms", layout="one", processes=4).load(1.0).jobs == 4 * WORKS["rest-1ms"].jobs_each
    assert Case(work="nothing", layout="own", processes=8).load(1e-9).jobs == 8, "one for each process"


def test_hosts_that_cannot_be_made_or_cannot_reach_the_server_say_so_and_leave_nothing(
    server_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (ip := shutil.which("ip")) is not None:
        with pytest.raises(NoHostsError, match=r"takes root|listen_addresses"), hosts(2, server_url):
            pass
        links = subprocess.run([ip, "-o", "link"], capture_output=True, text=True, check=True).stdout
        assert f"pgf{os.getpid()}" not in links
    monkeypatch.setenv("PATH", "")
    with pytest.raises(NoHostsError, match="iproute2"), hosts(2, server_url):
        pass


def test_the_report_takes_ratios_within_a_round_and_counts_rounds_over_files(tmp_path: Path) -> None:
    page, one, two = tmp_path / "scaling.md", tmp_path / "one.json", tmp_path / "two.json"
    page.write_text(f"before\n{report.BEGIN}\nold\n{report.END}\nafter\n", "utf-8")
    one.write_text(document(row(1, 1, 30_000), row(2, 1, 45_000)), "utf-8")
    two.write_text(document(row(1, 1, 20_000), row(2, 1, 40_000)), "utf-8")
    report.report([one, two], page, tmp_path)
    text = page.read_text("utf-8")
    assert text.startswith("before\n")
    assert text.endswith("\nafter\n")
    assert "old" not in text
    assert "| `nothing` | one | 2 | 42,500 (40,000-45,000) | 1.75x | 12.0 + 11.0 | 0.60 + 0.50 | 350 | 500 |" in text
    assert "- one, 2 processes: claim cpu 1.00, commit IO:WALSync 0.50" in text
    assert "left out: hosts, no `ip` here" in text
    drawing = tmp_path / "scale.svg"
    assert ET.parse(drawing).getroot().tag.endswith("svg")  # noqa: S314 - of this test's making
    assert "nothing 1.8x" in drawing.read_text("utf-8") or "nothing 1.7x" in drawing.read_text("utf-8")


def test_a_page_without_markers_is_not_written(tmp_path: Path) -> None:
    page, one = tmp_path / "scaling.md", tmp_path / "one.json"
    page.write_text("mine\n", "utf-8")
    one.write_text(document(row(1, 1, 30_000)), "utf-8")
    with pytest.raises(ValueError, match="no markers"):
        report.report([one], page, tmp_path)
    assert page.read_text("utf-8") == "mine\n"


def test_every_layout_and_kind_of_work_is_explained_in_the_report() -> None:
    text = "\n".join(report.lines(json.loads(document(row(1, 1, 30_000)))))
    assert all(about in text for about in LAYOUTS.values())
    assert all(work.about in text for work in WORKS.values())
