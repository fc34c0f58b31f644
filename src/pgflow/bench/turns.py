"""Two kinds of workers in turns on one database, so that what the machine does meanwhile meets both."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from pgflow.bench.stage import WARM_JOBS, Backend, Load, renamed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pgflow.bench.crew import Crew
    from pgflow.bench.stage import Bench, Figures

TURNS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Workers of one kind, and what they drain."""

    name: str
    load: Load
    size: int | None = None
    backend: Backend | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


def compare(bench: Bench, subject: Kind, other: Kind) -> Figures:
    """Let both drain in turns: gives the subject's figures, the other's under its name, and the ratio of rate and CPU.

    `over_OTHER` is the subject's rate over the other's, `cpu_over_OTHER` the same of the CPU of client and server.
    """
    with (
        bench.crew(other.size, other.backend, **other.settings) as first,
        bench.crew(subject.size, subject.backend, **subject.settings) as second,
    ):
        seen: dict[str, list[Figures]] = {other.name: [], subject.name: []}
        for turn in range(TURNS):
            for kind, crew in ((other, first), (subject, second)):
                seen[kind.name].append(_one_turn(bench, kind, crew, is_cold=turn == 0))
    figures, beside = medians(seen[subject.name]), medians(seen[other.name])
    return {
        **figures,
        f"over_{other.name}": ratio(figures["jobs_per_sec"], beside["jobs_per_sec"]),
        f"cpu_over_{other.name}": ratio(figures["cpu_us_per_job"], beside["cpu_us_per_job"]),
        **renamed(beside, other.name),
    }


def medians(seen: Sequence[Figures]) -> Figures:
    """Give each figure's median over what was seen; None where any is."""
    found: Figures = {}
    for name in seen[0]:
        values = [figures[name] for figures in seen]
        known = [value for value in values if value is not None]
        found[name] = statistics.median(known) if known and len(known) == len(values) else None
    return found


def ratio(over: float | None, under: float | None) -> float | None:
    """Divide, where both are known."""
    return None if over is None or not under else over / under


def _one_turn(bench: Bench, kind: Kind, crew: Crew, *, is_cold: bool) -> Figures:
    crew.work(kind.load.queue_names)
    if is_cold:
        bench.drain(crew, replace(kind.load, jobs=min(WARM_JOBS, kind.load.jobs)))
    cost = bench.drain(crew, kind.load)
    crew.stop()
    return cost.figures(kind.load.jobs)
