"""A comparison: every scenario, round by round over all systems in turn, each time in a fresh place."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg

from bench.peers.figures import written
from bench.peers.own import ALONE, run_alone
from bench.peers.places import Postgres, Redis, postgres, redis
from bench.peers.processes import AdapterError, make_tables
from bench.peers.scenarios import SCENARIOS, Stand
from bench.peers.systems import SYSTEMS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bench.peers.scenarios import Figures
    from bench.peers.systems import System

Result = dict[str, Any]
FEWEST: Final = 20


class Comparison:
    """Runs scenarios over systems; what cannot run is left out, by name and reason."""

    def __init__(
        self, postgres: Postgres, redis: Redis | None, left_out: dict[str, str], tell: Callable[[str], None]
    ) -> None:
        self._postgres = postgres
        self._redis = redis
        self._tell = tell
        self.left_out = left_out

    def run(self, scenario: str, systems: Sequence[System], rounds: int, jobs: int | None) -> Iterator[Result]:
        """Measure all systems in turn, as often as there are rounds."""
        for number in range(1, rounds + 1):
            for system in systems:
                if system.name in self.left_out or scenario not in (system.scenarios or SCENARIOS):
                    continue
                figures = self._measure(scenario, system, _jobs(scenario, system, jobs))
                if figures:
                    self._tell(f"{scenario} {number}/{rounds} {system.name:16} {line(figures)}")
                    yield {"scenario": scenario, "system": system.name, "round": number, **figures}

    def _measure(self, scenario: str, system: System, jobs: int) -> Figures | None:
        if system.store == "redis" and (self._redis is None or not SCENARIOS[scenario].on_redis):
            return None
        place = self._redis.place() if system.store == "redis" and self._redis else self._postgres.place()
        try:
            with ExitStack() as stack:
                url = stack.enter_context(place)
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
                make_tables(system, url)
                stand = Stand(system, url, directory)
                if system.store == "redis":
                    stand.redis = self._redis
                else:
                    stand.conn = stack.enter_context(psycopg.connect(url, autocommit=True))
                return {"jobs": jobs, **SCENARIOS[scenario].run(stand, jobs)}
        except (AdapterError, psycopg.Error) as error:
            self.left_out[system.name] = f"{scenario}: {error}"
            self._tell(f"{system.name} is left out from here: {error}")
            return None


def compare(
    scenarios: Sequence[str],
    names: Sequence[str],
    rounds: int,
    jobs: int | None,
    tell: Callable[[str], None],
    keep: Callable[[Result], None],
) -> Result:
    """Run, and give all that is needed to tell of it; `keep` is called with what there is after each result."""
    left_out = {name: reason for name in names if (reason := SYSTEMS[name].lacks())}
    chosen = [SYSTEMS[name] for name in names if name not in left_out]
    with ExitStack() as stack:
        server = stack.enter_context(postgres())
        store = None
        if any(SCENARIOS[name].on_redis for name in scenarios if name in SCENARIOS) and _on_redis(chosen):
            try:
                store = stack.enter_context(redis())
            except FileNotFoundError as error:
                left_out |= {system.name: str(error) for system in _on_redis(chosen)}
        for name, reason in left_out.items():
            tell(f"{name} is left out: {reason}")
        comparison = Comparison(server, store, left_out, tell)
        found: Result = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "postgresql": server.describe(),
            "redis": store.describe() if store else {},
            "left_out": left_out,
            "results": [],
        }
        compared = (comparison.run(name, chosen, rounds, jobs) for name in scenarios if name in SCENARIOS)
        alone = run_alone(server.url, [name for name in scenarios if name in ALONE], rounds, jobs, left_out, tell)
        for result in chain(chain.from_iterable(compared), alone):
            found["results"].append(result)
            keep(found)
        return found


def _on_redis(systems: Sequence[System]) -> list[System]:
    return [system for system in systems if system.store == "redis"]


def machine() -> dict[str, Any]:
    """Say what it ran on."""
    return {"cores": len(os.sched_getaffinity(0)), "python": sys.version.split()[0], "system": platform.system()}


def line(figures: Figures) -> str:
    """Give the figures of a run in a line."""
    return " ".join(f"{key}={written(value)}" for key, value in figures.items() if isinstance(value, int | float))


def _jobs(scenario: str, system: System, asked: int | None) -> int:
    usual = SCENARIOS[scenario]
    if asked is None:
        return usual.slow_jobs if system.slow else usual.jobs
    return max(FEWEST, asked * usual.slow_jobs // usual.jobs) if system.slow else asked
