"""Every kind of scenario, small and for real: its figures are there, and have a sane shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from pgflow.bench.ground import Ground
from pgflow.bench.report import line, parsed
from pgflow.bench.running import chosen, run_all, run_once
from pgflow.bench.scenarios import CATALOGUE, queues
from pgflow.bench.stage import Load, Options
from pgflow.store.admin import look

if TYPE_CHECKING:
    from collections.abc import Iterator

JOBS: Final = 1_000
"""The CPU of sessions that end, those of tests beside these too, is told in ticks of 10 ms: it takes so many."""
OWN: Final = {
    "plugins": {"over_none", "cpu_over_none", "none_jobs_per_sec"},
    "enqueue-many": set[str](),
    "latency": {"p50_ms", "p99_ms", "call_p50_ms"},
    "mixed": set[str](),
    "held-snapshot": {"cpu_last_over_first", "urgent_start_s"},
    "held-transaction": {"cpu_last_over_first", "urgent_start_s", "late_start_s"},
    "backlog-1m": {"over_shallow", "get_jobs_p50_ms", "get_metrics_p50_ms"},
    "payload-10kb": set[str](),
    "retry-storm": {"runs_per_job"},
    "many-queues": {"over_one_queue"},
    "scheduled-storm": {"first_ms", "all_ms"},
}


@pytest.fixture(scope="module")
def ground(server_url: str) -> Iterator[Ground]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGFLOW_DATASET_BUCKET", "none")
        with Ground(server_url) as made:
            yield made


@pytest.mark.parametrize("name", OWN)
def test_a_scenario_gives_figures_of_every_job(ground: Ground, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queues, "QUEUES", 5)
    figures = run_once(ground, CATALOGUE[name], Options(jobs=20 if name == "latency" else JOBS))
    common = ("jobs_per_sec", "client_cpu_us_per_job", "wal_bytes_per_job", "rss_mb")
    for key in (*common, *OWN[name]):
        assert (figures[key] or 0) > 0 or key.endswith(("_s", "_ms")), key
    # the kernel tells the CPU of processes that have ended in hundredths of a second, which so few jobs need not take
    assert figures["server_cpu_us_per_job"] is not None
    assert (figures["wal_bytes_per_job"] or 0) > 100
    assert 20 < (figures["rss_mb"] or 0) < 1_000


def test_scenarios_run_in_turns_and_the_floor_measures_those_that_drain(ground: Ground) -> None:
    told: list[tuple[str, int]] = []
    options = Options(jobs=4 * JOBS, backend="trio", processes=2)
    scenarios = chosen(["threads"], against_floor=True)
    results = run_all(ground, scenarios, options, 1, lambda scenario, number: told.append((scenario.name, number)))
    assert told == [("floor", 1), ("threads", 1)]
    floor, threads = (parsed(line(result)) for result in results)
    assert threads["workers"] == 2
    assert threads["over_floor"] == pytest.approx(threads["jobs_per_sec"] / floor["jobs_per_sec"], rel=0.05)
    assert threads["cpu_us_per_job"] > threads["client_cpu_us_per_job"] > 0
    assert "over_floor" not in floor


def test_an_idle_worker_is_looked_at_for_as_long_as_was_said(ground: Ground) -> None:
    figures = run_once(ground, CATALOGUE["idle"], Options(seconds=0.5))
    assert (figures["rss_mb"] or 0) > 20
    assert figures["cpu_percent"] is not None
    assert {"statements_per_sec", "transactions_per_sec"} & set(figures)


def test_a_worker_that_dies_ends_the_run_at_once(ground: Ground) -> None:
    with ground.bench(Options()) as bench, bench.crew(1) as crew:
        crew.hands[0].kill()
        with pytest.raises(RuntimeError, match="has ended before its work"):
            crew.do("floor", jobs=1)


def test_jobs_that_never_end_are_not_waited_for_for_ever(ground: Ground) -> None:
    with ground.bench(Options()) as bench, bench.crew(1) as crew, pytest.raises(TimeoutError, match="0 of 1 jobs"):
        crew.wait(1, seconds=0.01)


def test_jobs_are_put_there_as_an_enqueue_would_have(ground: Ground) -> None:
    with ground.bench(Options()) as bench:
        bench.fill(Load(jobs=3, queues=3))
        bench.fill(Load(jobs=2, delay=60, args="[1]"))
        found = {(job.state, job.queue) for job in bench.pool.together(look.listing).items}
    assert found == {("queued", f"bench-{n}") for n in range(3)} | {("scheduled", "bench")}
