"""Steady load with everything on, for long: what a worker holds, and what the short-lived tables do, stays flat.

    python -m chaos.soak --minutes 30 --rate 60

The first five minutes do not count: caches fill, pools open, autovacuum finds its pace. From then on the slope of each
figure is the median of the slopes between all pairs of samples, which a single spike does not move.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.figures import Series, sample
from chaos.play import OVERHEAD_SECONDS, Limits, play
from chaos.scenario import Scenario
from chaos.server import free_port

if TYPE_CHECKING:
    from chaos.stage import Stage

EVERY_SECONDS = 5.0
PAGES = ("/health", "/metrics", "/jobs", "/dlq", "/queues", "/workers")


class Soak:
    """Samples figures while the load goes on, and judges them behind it."""

    def __init__(self, settle_seconds: float) -> None:
        self.settle_seconds = settle_seconds
        self.series: dict[str, Series] = {}
        self.port = free_port()
        self.asked = 0
        self.failed: list[str] = []

    def setup(self, stage: Stage) -> None:
        """Start three workers with a schedule, one of them with the admin."""
        stage.workers = 0
        app = ("-A", "chaos.ticking:app")
        stage.fleet.start(1, argv=(*app, "--admin", f"127.0.0.1:{self.port}"))
        stage.fleet.start(2, argv=app)

    def strike(self, stage: Stage) -> None:
        """Look, every five seconds, once all has settled."""
        stage.pause(self.settle_seconds)
        pids = stage.fleet.pids()
        began = time.monotonic()
        while not stage.over():
            self._look_at_admin()
            for name, (value, flat) in sample(stage, pids).items():
                self.series.setdefault(name, Series(name, flat)).add(time.monotonic() - began, value)
            stage.pause(EVERY_SECONDS)
        if stage.fleet.pids() != pids:
            stage.blame("R3", 1, str(stage.fleet.exits()), "a worker has ended by itself")

    def verify(self, stage: Stage) -> None:
        """Print the table, and blame what has grown."""
        sys.stdout.write(f"{Series.HEAD}\n")
        for series in self.series.values():
            sys.stdout.write(f"{series.line()}\n")
            if series.has_grown:
                stage.blame("S1", 1, series.line(), f"{series.name} has grown")
        if self.failed:
            stage.blame("S2", len(self.failed), self.failed[0], f"of {self.asked} pages of the admin failed")
        stage.demand_bite(len(self.series), "nothing was sampled: the time is not longer than what does not count")
        samples = {name: series.samples for name, series in self.series.items()}
        (stage.directory / "samples.json").write_text(json.dumps(samples), encoding="utf-8")

    def _look_at_admin(self) -> None:
        for page in PAGES:
            self.asked += 1
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{page}", timeout=10) as answer:
                    answer.read()
            except (urllib.error.URLError, OSError) as error:
                self.failed.append(f"{page}: {error}")


def main() -> int:
    """Soak; 1 where something has grown, or was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--settle-minutes", type=float, default=5.0, help="at the start, which do not count")
    parser.add_argument("--rate", type=float, default=60.0, help="jobs a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", help="where logs and samples go; else a new temporary one")
    given = parser.parse_args()
    directory = Path(given.directory or tempfile.mkdtemp(prefix="pgflow-soak-")).resolve()
    directory.mkdir(parents=True, exist_ok=True)
    soak = Soak(60.0 * given.settle_minutes)
    says = "Nothing grows under a steady load."
    scenario = Scenario("soak", says, soak.strike, soak.setup, verify=soak.verify)
    seconds = 60.0 * given.minutes
    jobs = round(given.rate * (seconds - OVERHEAD_SECONDS))
    sys.stdout.write(f"{given.minutes:g} minutes at {given.rate:g} jobs/s, files in {directory}\n")
    result = play(scenario, seed=given.seed, jobs=jobs, seconds=seconds, directory=directory, limits=Limits())
    (directory / "report.json").write_text(json.dumps(result.as_json(), indent=2), encoding="utf-8")
    sys.stdout.write(f"{result.line()}\n")
    return int(not result.is_fine)


if __name__ == "__main__":
    sys.exit(main())
