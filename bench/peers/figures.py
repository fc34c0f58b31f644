"""Arithmetic over runs: medians, ranges, and ratios to pgflow taken pair by pair within a round."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

OURS: Final = "pgflow"
HUNDRED: Final = 100
TEN: Final = 10
HEADLINES: Final = {
    "drain": ("jobs_per_sec", "client_cpu_us_per_job", "server_cpu_us_per_job", "wal_bytes_per_job", "rss_mb"),
    "enqueue-one": ("jobs_per_sec", "client_cpu_us_per_job", "server_cpu_us_per_job", "wal_bytes_per_job"),
    "enqueue-many": ("jobs_per_sec", "client_cpu_us_per_job", "server_cpu_us_per_job", "wal_bytes_per_job"),
    "latency": ("p50_ms", "p99_ms", "asked_p50_ms", "asked_p99_ms", "worker_cpu_percent"),
    "held-snapshot": ("rate_last_over_first", "cpu_last_over_first"),
}
"""The figures of a scenario that are summed up, the first of them compared."""


class Spread(NamedTuple):
    """A figure over the rounds."""

    median: float
    least: float
    most: float


def spread(values: Sequence[float]) -> Spread:
    """Sum values up."""
    return Spread(statistics.median(values), min(values), max(values))


def of(results: Iterable[dict[str, Any]], scenario: str, system: str, figure: str) -> dict[int, float]:
    """Give a figure of a system by round; those without it are left out."""
    return {
        result["round"]: result[figure]
        for result in results
        if result["scenario"] == scenario and result["system"] == system and result.get(figure) is not None
    }


def ratio(ours: dict[int, float], theirs: dict[int, float]) -> Spread | None:
    """Give ours over theirs, pair by pair within a round; None where no round has both."""
    pairs = [ours[number] / theirs[number] for number in ours.keys() & theirs.keys() if theirs[number]]
    return spread(pairs) if pairs else None


def systems_of(results: Iterable[dict[str, Any]], scenario: str) -> list[str]:
    """Give the systems a scenario was run with, in order."""
    return list(dict.fromkeys(result["system"] for result in results if result["scenario"] == scenario))


def summary(results: Sequence[dict[str, Any]]) -> list[str]:
    """Sum every scenario up, a line for each system."""
    return [
        f"{scenario:14} {system:16} {' '.join(_parts(results, scenario, system))}"
        for scenario in dict.fromkeys(result["scenario"] for result in results)
        for system in systems_of(results, scenario)
    ]


def bench_result(results: Sequence[dict[str, Any]]) -> str:
    """Give the last line: pgflow's drain where it was run, and its rate over each other's."""
    known = [
        ("jobs_per_sec", "jobs_per_sec", ".0f"),
        ("cpu_us_per_job", "cpu_us_per_job", ".1f"),
        ("wal_bytes_per_job", "wal_bytes_per_job", ".0f"),
    ]
    parts = ["BENCH_RESULT", "workers=1"]
    for name, figure, form in known:
        values = list(of(results, "drain", OURS, figure).values())
        parts.append(f"{name}={format(statistics.median(values), form) if values else '-'}")
    ours = of(results, "drain", OURS, "jobs_per_sec")
    over = {
        system: ratio(ours, of(results, "drain", system, "jobs_per_sec"))
        for system in systems_of(results, "drain")
        if system != OURS
    }
    parts += [f"over_{system.replace('-', '_')}={found.median:.2f}" for system, found in over.items() if found]
    return " ".join(parts)


def _parts(results: Sequence[dict[str, Any]], scenario: str, system: str) -> list[str]:
    parts = []
    for figure in HEADLINES.get(scenario, ()):
        if values := list(of(results, scenario, system, figure).values()):
            found = spread(values)
            parts.append(f"{figure}={written(found.median)} ({written(found.least)}-{written(found.most)})")
    main = HEADLINES.get(scenario, ("jobs_per_sec",))[0]
    over = ratio(of(results, scenario, OURS, main), of(results, scenario, system, main))
    if over and system != OURS:
        parts.append(f"pgflow/this={over.median:.2f} ({over.least:.2f}-{over.most:.2f})")
    return parts


def written(value: float | None) -> str:
    """Write a figure with as many digits as it bears."""
    if value is None:
        return "-"
    if abs(value) >= HUNDRED:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= TEN else f"{value:.2f}"
