"""The tables and the plot of runs: the part of docs/scaling.md between its markers, and an SVG beside the others."""

from __future__ import annotations

import statistics
from html import escape
from typing import TYPE_CHECKING, Any, Final

from bench.marked import END, IMAGES, ROOT, Markers, draw, joined, table
from bench.peers.figures import written
from bench.peers.plots import COLOURS, LEFT, PLOT, STYLE, TOP, WIDTH
from bench.scale.cases import LAYOUTS, WORKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PAGE: Final = ROOT / "docs" / "scaling.md"
BEGIN: Final = "<!-- written by `python -m bench.scale report`: from here -->"
HEIGHT: Final = 260
COLUMNS: Final = (
    "jobs", "queues, hosts", "processes", "jobs/s (min-max)", "over one process", "CPU a job, worker + server, µs",
    "cores busy, worker + server", "WAL a job, B", "jobs a claim", "read for each taken", "empty claims, %",
    "connections", "sessions that work / wait",
)  # fmt: skip


def report(files: Sequence[Path], page: Path = PAGE, images: Path = IMAGES) -> None:
    """Write them. Raises `ValueError` where the page has no markers."""
    found = read(files)
    Markers(BEGIN, END).fill(page, lines(found))
    draw(images, {"scale": plot(found["results"])})


def read(files: Iterable[Path]) -> dict[str, Any]:
    """Read what `--json` wrote; the rounds of each case are counted on over several files."""
    return joined(files, _key)


def line(row: dict[str, Any]) -> str:
    """Say a single measurement."""
    names = ("jobs_per_sec", "client_cpu_us_per_job", "server_cpu_us_per_job", "read_per_job", "empty_claims")
    figures = " ".join(f"{name}={written(row.get(name))}" for name in names)
    return f"{row['work']:10} {row['layout']:6} {row['processes']} round {row['round']}: {figures}"


def lines(found: dict[str, Any]) -> list[str]:
    """Give what stands between the markers."""
    results, machine, server = found["results"], found["machine"], found["postgresql"]
    shown = ", ".join(f"{name} {value}" for name, value in server.items() if name != "server_version")
    grouped = _by_case(results)
    rounds = max(len(rows) for rows in grouped.values())
    circumstances = (
        f"Measured {found['at'][:10]}: {machine['cores']} cores for workers and server together, {machine['system']}, "
        f"Python {machine['python']}; PostgreSQL {server.get('server_version', '?')} ({shown}). Medians of up to "
        f"{rounds} rounds; what is over one process is taken pair by pair within a round."
    )
    return [
        circumstances, "", *(f"- `{name}`: {work.about}" for name, work in WORKS.items()),
        *(f"- {name}: {about}" for name, about in LAYOUTS.items()),
        *(f"- left out: {name}, {why}" for name, why in found["left_out"].items()),
        "", *table(COLUMNS, [_row(grouped, key) for key in grouped]),
        "", "What the server's sessions were at on average, with no-op jobs:", "", *_waits(grouped),
    ]  # fmt: skip


def plot(results: Sequence[dict[str, Any]]) -> str:
    """Draw the rate over that of one process, by processes, for one queue."""
    grouped = _by_case(results)
    series = {}
    for work in WORKS:
        counts = sorted(key[2] for key in grouped if key[:2] == (work, "one"))
        if 1 in counts:
            series[work] = {count: _over(grouped, (work, "one", count)) or 1.0 for count in counts}
    most = max((value for values in series.values() for value in values.values()), default=1.0)
    counts = sorted({count for values in series.values() for count in values})
    step = PLOT / max(1, len(counts) - 1)
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{TOP + HEIGHT}H{LEFT + PLOT}" fill="none"/>']
    for level in range(1, round(most) + 1):
        y = _y(level, most)
        parts.append(_text(LEFT - 8, y + 4, f"{level}x", "small", "end"))
        parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{LEFT + PLOT}" stroke-dasharray="2 4" fill="none"/>')
    parts += [
        _text(LEFT + n * step, TOP + HEIGHT + 18, str(count), "small", "middle") for n, count in enumerate(counts)
    ]
    lowest = 0.0
    for number, (work, values) in enumerate(sorted(series.items(), key=lambda one: -list(one[1].values())[-1])):
        points = [(LEFT + counts.index(count) * step, _y(value, most)) for count, value in values.items()]
        colour = COLOURS[number % len(COLOURS)]
        parts.append(
            f'<polyline class="line" stroke="{colour}" points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in points)}"/>'
        )
        lowest = max(points[-1][1] + 4, lowest + 15)
        parts.append(
            f'<text x="{LEFT + PLOT + 6}" y="{lowest:.1f}" style="fill:{colour}">'
            f"{escape(work)} {list(values.values())[-1]:.1f}x</text>"
        )
    title = "Jobs a second over those of one process, by worker processes, one queue"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {TOP + HEIGHT + 40}" role="img">'
    return "\n".join([
        head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", _text(12, 24, title, "title"), *parts,
        "</svg>", "",
    ])  # fmt: skip


Key = tuple[str, str, int]


def _key(row: dict[str, Any]) -> Key:
    return row["work"], row["layout"], row["processes"]


def _by_case(results: Iterable[dict[str, Any]]) -> dict[Key, list[dict[str, Any]]]:
    found: dict[Key, list[dict[str, Any]]] = {}
    for row in results:
        found.setdefault(_key(row), []).append(row)
    order = {name: number for number, name in enumerate((*WORKS, *LAYOUTS))}
    return dict(sorted(found.items(), key=lambda one: (order[one[0][0]], order[one[0][1]], one[0][2])))


def _row(grouped: dict[Key, list[dict[str, Any]]], key: Key) -> list[str]:
    def median(name: str) -> str:
        values = [row[name] for row in grouped[key] if row.get(name) is not None]
        return written(statistics.median(values)) if values else "-"

    rates = [row["jobs_per_sec"] for row in grouped[key]]
    over = _over(grouped, key)
    works = [sum(share for name, share in row["waits"].items() if name.endswith(" cpu")) for row in grouped[key]]
    waits = [row["busy_sessions"] - work for row, work in zip(grouped[key], works, strict=True)]
    return [
        f"`{key[0]}`", key[1], str(key[2]), f"{median('jobs_per_sec')} ({written(min(rates))}-{written(max(rates))})",
        "-" if over is None else f"{over:.2f}x",
        f"{median('client_cpu_us_per_job')} + {median('server_cpu_us_per_job')}",
        f"{median('client_cores')} + {median('server_cores')}", median("wal_bytes_per_job"), median("batch"),
        median("read_per_job"), median("empty_claims"), median("connections"),
        f"{statistics.median(works):.1f} / {statistics.median(waits):.1f}",
    ]  # fmt: skip


def _over(grouped: dict[Key, list[dict[str, Any]]], key: Key) -> float | None:
    # one process has one queue and one host: all layouts of a work begin with the same
    rates, alone = (
        {row["round"]: row["jobs_per_sec"] for row in grouped.get(which, ())} for which in (key, (*key[:2], 1))
    )
    pairs = [rates[number] / alone[number] for number in rates.keys() & alone.keys()]
    return statistics.median(pairs) if pairs else None


def _waits(grouped: dict[Key, list[dict[str, Any]]]) -> list[str]:
    said = []
    for key, rows in grouped.items():
        if key[0] == "nothing" and key[1] in ("one", "own"):
            names = {name for row in rows for name in row["waits"]}
            seen = {name: statistics.median(row["waits"].get(name, 0.0) for row in rows) for name in names}
            most = sorted(seen.items(), key=lambda one: -one[1])[:7]
            told = ", ".join(f"{name} {share:.2f}" for name, share in most if share >= 0.01)  # noqa: PLR2004 - a look in a hundred
            said.append(f"- {key[1]}, {key[2]} processes: {told}")
    return said


def _y(value: float, most: float) -> float:
    return TOP + HEIGHT * (1 - value / most)


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
