"""How results are told: a line for programs, a document, and the cells of a table."""

from __future__ import annotations

import os
import platform
from typing import TYPE_CHECKING, Any, Final

from pgflow.store.statement import Query, Statement, all_rows
from pgflow.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pgflow.bench.running import Result
    from pgflow.bench.stage import Figures
    from pgflow.store.pool import Pool

FIRST: Final = (
    "workers", "jobs_per_sec", "cpu_us_per_job", "client_cpu_us_per_job", "server_cpu_us_per_job",
    "wal_bytes_per_job", "rss_mb",
)  # fmt: skip
COLUMNS: Final = ("scenario", "workers", "jobs/s", "CPU µs", "client", "server", "WAL B", "RSS MB")
HUNDRED: Final = 100
TEN: Final = 10
SETTINGS: Final = (
    "server_version", "fsync", "synchronous_commit", "full_page_writes", "shared_buffers", "max_wal_size",
)  # fmt: skip
SERVER: Final = Query(
    "bench/settings",
    "select name, setting || coalesce(' x ' || unit, '') from pg_settings where name = any (%(names)s)",
)


def line(result: Result) -> str:
    """Write a result as `BENCH_RESULT scenario=… jobs_per_sec=…`: numbers, or - for what is not known."""
    figures = {**dict.fromkeys(FIRST), **result.medians}
    return " ".join([
        "BENCH_RESULT", f"scenario={result.scenario.name}", *(f"{name}={written(figures[name])}" for name in figures),
    ])  # fmt: skip


def parsed(text: str) -> dict[str, Any]:
    """Read such a line: numbers, None for what was not known, and the scenario's name."""
    words = dict(word.partition("=")[::2] for word in text.split()[1:])
    return {
        name: value if name == "scenario" else None if value == "-" else float(value) for name, value in words.items()
    }


def cells(result: Result) -> list[str]:
    """Give the cells of a result's row; what is beyond the columns is in `more`."""
    return [result.scenario.name, *(written(result.medians.get(name), thousands=True) for name in FIRST)]


def more(figures: Figures) -> str:
    """Say the figures that have no column."""
    return "  ".join(f"{name} {written(figures[name], thousands=True)}" for name in figures if name not in FIRST)


def document(results: Sequence[Result], options: Any, server: dict[str, str]) -> dict[str, Any]:
    """Give all there is: each run's figures, the medians, the options, the machine and the server's settings."""
    return {
        "pgflow": __version__,
        "python": platform.python_version(),
        "machine": {"system": platform.platform(), "cores": os.cpu_count()},
        "server": server,
        "options": options,
        "scenarios": {one.scenario.name: {"medians": one.medians, "runs": list(one.runs)} for one in results},
    }


def server_settings(pool: Pool) -> dict[str, str]:
    """Give the server's settings that benchmarks depend on, and its version."""
    return dict(pool.run(Statement(SERVER, {"names": list(SETTINGS)}, all_rows)))


def written(value: float | None, *, thousands: bool = False) -> str:
    """Write a number with three digits or so that mean something."""
    if value is None:
        return "-"
    if value == int(value):
        return format(int(value), "," if thousands else "")
    places = 0 if abs(value) >= HUNDRED else 1 if abs(value) >= TEN else 2
    return format(value, f"{',' if thousands else ''}.{places}f")


def _number(text: str) -> float | None:
    return None if text == "-" else float(text)
