"""Tables and plots out of the JSON of runs: the part of docs/benchmarking.md between its markers, and docs/images."""

from __future__ import annotations

import statistics
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from bench.marked import END, IMAGES, ROOT, Markers, draw, joined, last_rounds, table
from bench.peers.figures import OURS, of, ratio, spread, written
from bench.peers.plots import plots
from bench.peers.scenarios import SCENARIOS
from bench.peers.systems import SYSTEMS
from bench.peers.targets import TARGETS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "benchmarking.md"
BEGIN: Final = "<!-- written by `python -m bench report`: from here -->"
SCENARIO: Final = itemgetter("scenario")
NOTHING: Final = written(None)
COLUMNS: Final = (
    "", "drain, jobs/s (min-max)", "pgflow over it", "CPU a job, worker + server, µs", "WAL a job, B", "RSS, MB",
    "enqueue one / bulk, jobs/s", "latency p50 / p99, ms", "held snapshot, last round over first: rate", "history",
)  # fmt: skip
LABELS: Final = frozenset({"scenario", "system", "round", "workers"})
COSTS: Final = ("jobs_per_sec", "client_cpu_us_per_job", "server_cpu_us_per_job", "wal_bytes_per_job", "rss_mb")
KNOWN: Final = (*COSTS, "cpu_us_per_job")
ALONE_COLUMNS: Final = ("pgflow alone", "jobs/s", "worker, µs", "server, µs", "WAL, B", "RSS, MB", "")


def report(files: Sequence[Path], page: Path = PAGE, images: Path = IMAGES) -> None:
    """Write them. Raises `ValueError` where the page has no markers."""
    found = read(files)
    Markers(BEGIN, END).fill(page, lines(found))
    draw(images, plots(found["results"]))


def read(files: Iterable[Path]) -> dict[str, Any]:
    """Read what `--json` wrote; the rounds of several files are counted on."""
    return joined(files, SCENARIO)


def lines(found: dict[str, Any]) -> list[str]:
    """Give what stands between the markers."""
    results = found["results"]
    return [
        *_circumstances(found),
        "",
        *_systems([result for result in results if result["scenario"] in SCENARIOS]),
        *_left_out(found),
        *_targets(results),
        "",
        *_alone([result for result in results if result["scenario"] not in SCENARIOS]),
    ]


def _circumstances(found: dict[str, Any]) -> list[str]:
    machine, server, store = found["machine"], found["postgresql"], found["redis"]
    shown = ", ".join(f"{name} {value}" for name, value in server.items() if name != "server_version")
    redis = f"; Redis {store['redis_version']} ({store['flags']})" if store else ""
    rounds = max(last_rounds(found["results"], SCENARIO).values(), default=0)
    return [
        (
            f"Measured {found['at'][:10]}: {machine['cores']} cores, {machine['system']}, Python {machine['python']}, "
            f"PostgreSQL {server['server_version']} ({shown}){redis}. Medians of up to {rounds} rounds; ratios are "
            "taken pair by pair within a round."
        )
    ]


def _systems(results: Sequence[dict[str, Any]]) -> list[str]:
    names = [name for name in SYSTEMS if any(result["system"] == name for result in results)]
    return _table(COLUMNS, [_row(results, name) for name in names])


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    if not rows:
        return []
    return [*table(columns, rows), ""]


def _alone(results: Sequence[dict[str, Any]]) -> list[str]:
    rows = []
    for scenario in dict.fromkeys(result["scenario"] for result in results):
        names = dict.fromkeys(name for result in results if result["scenario"] == scenario for name in result)
        seen = {name: list(of(results, scenario, OURS, name).values()) for name in names if name not in LABELS}
        figures = {name: statistics.median(values) for name, values in seen.items() if values}
        more = ", ".join(f"{name} {written(value)}" for name, value in figures.items() if not name.endswith(KNOWN))
        rows.append([scenario, *(written(figures.get(name)) for name in COSTS), more])
    return _table(ALONE_COLUMNS, rows)


def _row(results: Sequence[dict[str, Any]], name: str) -> list[str]:
    def median(scenario: str, figure: str) -> float | None:
        values = list(of(results, scenario, name, figure).values())
        return statistics.median(values) if values else None

    def both(scenario: str, *figures: str, by: str) -> str:
        shown = [written(median(scenario, figure)) for figure in figures]
        return NOTHING if set(shown) == {NOTHING} else by.join(shown)

    bulk = [written(median(scenario, "jobs_per_sec")) for scenario in ("enqueue-one", "enqueue-many")]
    return [
        f"**{name}**" if name.startswith(OURS) else name,
        _rate(list(of(results, "drain", name, "jobs_per_sec").values())),
        _over(results, name),
        both("drain", "client_cpu_us_per_job", "server_cpu_us_per_job", by=" + "),
        written(median("drain", "wal_bytes_per_job")),
        written(median("drain", "rss_mb")),
        NOTHING if set(bulk) == {NOTHING} else " / ".join(bulk),
        both("latency", "p50_ms", "p99_ms", by=" / "),
        written(median("held-snapshot", "rate_last_over_first")),
        SYSTEMS[name].history,
    ]


def _rate(values: list[float]) -> str:
    if not values:
        return NOTHING
    found = spread(values)
    return f"{written(found.median)} ({written(found.least)}-{written(found.most)})"


def _over(results: Sequence[dict[str, Any]], name: str) -> str:
    ours, theirs = (of(results, "drain", one, "jobs_per_sec") for one in (OURS, name))
    found = ratio(ours, theirs) if name != OURS else None
    return f"{written(found.median)}x ({written(found.least)}-{written(found.most)})" if found else NOTHING


def _left_out(found: dict[str, Any]) -> list[str]:
    said = [f"Left out: {name}, {reason.splitlines()[0]}." for name, reason in found["left_out"].items()]
    ran_more = {
        result["system"]
        for result in found["results"]
        if "ran_once" in result and (result["ran_more"] or result["ran_once"] < result["jobs"])
    }
    counted = any("ran_once" in result for result in found["results"])
    if not counted:
        return said and [*said, ""]
    said.append(
        f"Jobs that ran other than once: some of {', '.join(sorted(ran_more))}."
        if ran_more
        else "Every job of every run was counted in its handler: each ran exactly once."
    )
    return [*said, ""]


def _targets(results: Sequence[dict[str, Any]]) -> list[str]:
    rows = ["| target | asked | reached | |", "| --- | --- | --- | --- |"]
    for target in TARGETS:
        value = target.reached(results)
        met = NOTHING if value is None else "yes" if target.is_met(value) else "**no**"
        shown = "not measured in this run" if value is None else f"{written(value)}{target.unit}"
        rows.append(f"| {target.what} | {target.asked} | {shown} | {met} |")
    return rows
