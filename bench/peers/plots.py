"""Plots as small SVG files, drawn by hand so that they follow the reader's light or dark page."""

from __future__ import annotations

import statistics
from html import escape
from typing import TYPE_CHECKING, Any, Final

from bench.peers.figures import OURS, of, spread, systems_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

WIDTH: Final = 760
LEFT: Final = 150
RIGHT: Final = 150
BAR: Final = 18
ROW: Final = 30
TOP: Final = 56
PLOT: Final = WIDTH - LEFT - RIGHT
STYLE: Final = """
text{font:13px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:15px}
.small{font-size:11px;fill:#57606a}
.ours{fill:#2166ac}.other{fill:#8c959f}.second{fill:#d98b2b}.axis{stroke:#8c959f;stroke-width:1}
.whisker{stroke:#24292f;stroke-width:1.5}.line{fill:none;stroke-width:2}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.ours{fill:#58a6ff}.other{fill:#6e7681}
.second{fill:#e3a04f}.whisker{stroke:#e6edf3}}
"""
COLOURS: Final = ("#2f81f7", "#d9822b", "#3fa34d", "#a371f7", "#d1495b", "#8c959f", "#0e8a8a", "#9a6b3f")
CUT: Final = 8.0
"""A bar is cut off at so many times the median bar: its number says the rest."""


def plots(results: Sequence[dict[str, Any]]) -> dict[str, str]:
    """Draw what there are results for, by file name."""
    drawn = {}
    if any(result["scenario"] == "drain" for result in results):
        drawn["drain"] = _rates(results)
        drawn["cpu"] = _stacked(
            "CPU a drained job, µs", results, "drain",
            {"worker": "client_cpu_us_per_job", "server": "server_cpu_us_per_job"},
        )  # fmt: skip
    if any(result["scenario"] == "latency" for result in results):
        drawn["latency"] = _stacked(
            "Commit to handler start at 50 jobs/s, ms: median, and up to the 99th percentile", results, "latency",
            {"median": "p50_ms", "99th percentile": "p99_ms"}, cumulative=True,
        )  # fmt: skip
    if any(result["scenario"] == "held-snapshot" for result in results):
        drawn["held-snapshot"] = _rounds(results)
    return drawn


def _rates(results: Sequence[dict[str, Any]]) -> str:
    rates = {
        name: spread(list(of(results, "drain", name, "jobs_per_sec").values())) for name in systems_of(results, "drain")
    }
    ordered = sorted(rates, key=lambda name: -rates[name].median)
    scale = PLOT / max(found.most for found in rates.values())
    parts = []
    for row, name in enumerate(ordered):
        y, found = TOP + row * ROW, rates[name]
        parts += [_name(name, y), _bar(LEFT, y, found.median * scale, "ours" if name.startswith(OURS) else "other")]
        parts.append(_whisker(LEFT + found.least * scale, LEFT + found.most * scale, y))
        parts.append(_text(LEFT + found.most * scale + 8, y + 14, f"{found.median:,.0f}"))
    return _svg("No-op jobs drained a second, one worker process: median, least and most", parts, len(ordered))


def _stacked(
    title: str, results: Sequence[dict[str, Any]], scenario: str, kinds: Mapping[str, str], *, cumulative: bool = False
) -> str:
    seen = {}
    for name in systems_of(results, scenario):
        values = [list(of(results, scenario, name, figure).values()) for figure in kinds.values()]
        if all(values):
            seen[name] = [statistics.median(value) for value in values]
    if cumulative:
        steps = {name: [values[0], max(0.0, values[1] - values[0])] for name, values in seen.items()}
    else:
        steps = seen
    totals = {name: sum(values) for name, values in steps.items()}
    most = min(max(totals.values(), default=1.0), CUT * statistics.median([*totals.values(), 0.001]))
    parts = []
    ordered = sorted(totals, key=totals.__getitem__)
    for row, name in enumerate(ordered):
        said = (" / " if cumulative else " + ").join(_short(value) for value in seen[name])
        parts += _stack(name, TOP + row * ROW, steps[name], said, most)
    parts.append(_legend(list(kinds)))
    return _svg(title, parts, len(ordered))


def _stack(name: str, y: float, steps: list[float], said: str, most: float) -> list[str]:
    parts, x, left = [_name(name, y)], float(LEFT), most
    for step, kind in zip(steps, ("ours" if name.startswith(OURS) else "other", "second"), strict=True):
        width = min(step, left) / most * PLOT
        parts.append(_bar(x, y, width, kind))
        x, left = x + width, left - min(step, left)
    cut = " …" if sum(steps) > most else ""
    parts.append(_text(x + 8, y + 14, said + cut))
    return parts


def _rounds(results: Sequence[dict[str, Any]]) -> str:
    lines = {}
    for name in systems_of(results, "held-snapshot"):
        runs = [one["rates"] for one in results if one["scenario"] == "held-snapshot" and one["system"] == name]
        rates = [statistics.median(column) for column in zip(*runs, strict=True)]
        lines[name] = [rate / rates[0] for rate in rates]
    height, most = 240, max(1.2, *(max(line) for line in lines.values()))
    parts = [f'<path class="axis" d="M{LEFT} {TOP}V{TOP + height}H{LEFT + PLOT}" fill="none"/>']
    for level in (0.0, 0.5, 1.0):
        y = TOP + height * (1 - level / most)
        parts.append(_text(LEFT - 8, y + 4, f"{level:g}", "small", "end"))
        parts.append(f'<path class="axis" d="M{LEFT} {y:.1f}H{LEFT + PLOT}" stroke-dasharray="2 4" fill="none"/>')
    ends: list[float] = []
    for number, (name, line) in enumerate(sorted(lines.items(), key=lambda one: -one[1][-1])):
        step = PLOT / max(1, len(line) - 1)
        points = [(LEFT + index * step, TOP + height * (1 - rate / most)) for index, rate in enumerate(line)]
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline class="line" stroke="{colour}" points="{path}"/>')
        ends.append(max(points[-1][1] + 4, ends[-1] + 15 if ends else 0.0))
        parts.append(
            f'<text x="{LEFT + PLOT + 6}" y="{ends[-1]:.1f}" style="fill:{colour}">{escape(name)} {line[-1]:.2f}</text>'
        )
    parts.append(_text(LEFT + PLOT, TOP + height + 18, "rounds, one after the other", "small", "end"))
    return _svg("Drain under a held snapshot: rate of each round over the first's", parts, (height + 30) / ROW)


def _svg(title: str, parts: Sequence[str], rows: float) -> str:
    height = TOP + rows * ROW + 10
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" role="img">'
    return "\n".join([
        head, f"<title>{escape(title)}</title>", f"<style>{STYLE}</style>", _text(12, 24, title, "title"), *parts,
        "</svg>", "",
    ])  # fmt: skip


def _bar(x: float, y: float, width: float, kind: str) -> str:
    return f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1.0):.1f}" height="{BAR}" rx="2"/>'


def _whisker(least: float, most: float, y: float) -> str:
    return f'<path class="whisker" d="M{least:.1f} {y + BAR / 2:.1f}H{most:.1f}"/>'


def _name(name: str, y: float) -> str:
    return _text(LEFT - 8, y + 14, name, "", "end")


def _text(x: float, y: float, text: str, kind: str = "", anchor: str = "start") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _legend(kinds: Sequence[str]) -> str:
    first = f'<rect class="other" x="{LEFT}" y="36" width="10" height="10"/>' + _text(LEFT + 15, 45, kinds[0], "small")
    x = LEFT + 110
    return (
        first + f'<rect class="second" x="{x}" y="36" width="10" height="10"/>' + _text(x + 15, 45, kinds[1], "small")
    )


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 20 else f"{value:.1f}"  # noqa: PLR2004  (a tenth says nothing beyond)
