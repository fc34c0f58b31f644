"""Plays scenarios of chaos on real processes; replayable by their seed.

python -m chaos.run                    the hour: 50,000 jobs, all scenarios, the seeds 1, 2 and 3
python -m chaos.run --seed 7 --jobs 50000 --minutes 60
python -m chaos.run --seed 7 --jobs 400 --minutes 1 --only kill-workers
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from chaos.play import play
from chaos.scenario import find_all


def main() -> int:
    """Play what was asked for; 1 where anything was broken."""
    given = _arguments().parse_args()
    scenarios = [s for s in find_all() if not given.only or s.name in given.only]
    strangers = set(given.only or ()) - {s.name for s in scenarios}
    if strangers:
        sys.stderr.write(f"no scenario is called {', '.join(sorted(strangers))}: see --list\n")
        return 2
    if given.list:
        sys.stdout.writelines(f"{s.name:<22} {s.says}\n" for s in scenarios)
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    seeds = [given.seed] if given.seed is not None else [int(seed) for seed in given.seeds.split(",")]
    directory = Path(given.directory or tempfile.mkdtemp(prefix="pgflow-chaos-")).resolve()
    if any((directory / f"{seed}").exists() for seed in seeds):
        sys.stderr.write(f"{directory} holds an earlier run of this seed: name another --directory\n")
        return 2
    runs = len(scenarios) * len(seeds)
    each = 60.0 * given.minutes / runs
    results = []
    for seed in seeds:
        sys.stdout.write(f"seed {seed}: {len(scenarios)} scenarios of {each:.0f} s, files in {directory}\n")
        for scenario in scenarios:
            place = directory / f"{seed}" / scenario.name
            place.mkdir(parents=True)
            result = play(scenario, seed=seed, jobs=given.jobs // runs, seconds=each, directory=place)
            results.append(result)
            if result.is_fine:
                drop_servers(place)
            sys.stdout.write(f"{result.line()}\n")
            sys.stdout.flush()
            (directory / "report.json").write_text(
                json.dumps([result.as_json() for result in results], indent=2), encoding="utf-8"
            )
    broken = sum(not result.is_fine for result in results)
    sys.stdout.write(f"{len(results)} runs, {broken} broken; report in {directory / 'report.json'}\n")
    return int(bool(broken))


def drop_servers(place: Path) -> None:
    """Remove the data of servers, a hundred megabytes each; ledgers and logs stay."""
    for path in place.iterdir():
        if path.is_dir() and path.name != "ledger":
            shutil.rmtree(path, ignore_errors=True)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="one seed alone")
    parser.add_argument("--seeds", default="1,2,3", help="several, comma separated, each of which plays all scenarios")
    parser.add_argument("--jobs", type=int, default=50_000, help="jobs to offer, shared by all scenarios and seeds")
    parser.add_argument("--minutes", type=float, default=60.0, help="time for all scenarios and seeds together")
    parser.add_argument("--only", action="append", help="a scenario's name; may be given again")
    parser.add_argument("--list", action="store_true", help="list the scenarios and end")
    parser.add_argument("--directory", help="where ledgers, logs and the report go; else a new temporary one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
