"""What came of a scenario: a line for people, JSON for programs."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Result:
    """One scenario under one seed."""

    scenario: str
    seed: int
    left_out: str = ""
    asked: int = 0
    enqueued: int = 0
    unanswered: int = 0
    refused: int = 0
    rolled_back: int = 0
    attempts: dict[str, int] = field(default_factory=dict)
    offered_per_second: float = 0.0
    baseline_per_second: float = 0.0
    strike_seconds: float = 0.0
    kills: int = 0
    worker_starts: int = 0
    server_starts: int = 0
    recovery_seconds: float | None = None
    drain_seconds: float | None = None
    seconds: float = 0.0
    violations: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""

    @property
    def is_fine(self) -> bool:
        """True where nothing was broken."""
        return not self.violations and not self.error

    def as_json(self) -> dict[str, Any]:
        """Give the fields, to be written as JSON."""
        return asdict(self)

    def line(self) -> str:
        """Say it in one line, and one more for each violation."""
        if self.left_out:
            return f"{self.scenario:<22} left out: needs {self.left_out}"
        attempts = ", ".join(f"{count} {kind}" for kind, count in self.attempts.items())
        lines = [
            ", ".join(
                (
                    f"{self.scenario:<22} {'ok' if self.is_fine else 'FAILED':<7} {self.asked:>5} asked",
                    f"{self.enqueued} enqueued",
                    f"{self.unanswered} unanswered; attempts: {attempts}; {self.kills} kills",
                    f"{self.worker_starts} worker starts",
                    f"{self.server_starts} server starts; {self.baseline_per_second:.0f} jobs/s",
                    f"back in {_seconds(self.recovery_seconds)}",
                    f"drained in {_seconds(self.drain_seconds)}; {self.seconds:.0f} s",
                )
            )
        ]
        lines += [
            f"    {v['invariant']}: {v['count']} x {v['detail']} (such as {v['sample']})" for v in self.violations
        ]
        if self.error:
            lines.append(f"    the harness failed: {self.error}")
        return "\n".join(lines)


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f} s"
