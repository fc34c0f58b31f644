"""`python -m bench`: pgflow beside other queues; `install` fetches them, `report` writes the tables and plots.

python -m bench install
python -m bench [SCENARIO…] [--systems a,b] [--runs 5] [--jobs N] [--json FILE] [--report]
python -m bench everything --json FILE --report
python -m bench report FILE [FILE…]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from bench.peers.compare import compare
from bench.peers.figures import bench_result, summary
from bench.peers.install import copy_adapters, install
from bench.peers.own import ALONE
from bench.peers.report import report
from bench.peers.scenarios import SCENARIOS
from bench.peers.systems import SYSTEMS


def main(words: list[str]) -> int:
    """Do what the words say; give the exit code."""
    if words[:1] == ["install"]:
        return 1 if install(_tell) else 0
    if words[:1] == ["report"]:
        return _report(words[1:])
    return _compare(words)


def _compare(words: list[str]) -> int:
    given = _given(words)
    copy_adapters()
    with ExitStack() as stack:
        path = given.json or Path(stack.enter_context(tempfile.TemporaryDirectory()), "run.json")
        found = compare(given.scenarios, given.systems, given.runs, given.jobs, _tell, partial(_keep, path))
        if given.report and path.exists():
            report([path])
    for line in summary(found["results"]):
        print(line)
    print(bench_result(found["results"]))
    return 1 if found["left_out"] else 0


def _keep(path: Path, found: dict[str, Any]) -> None:
    """Write what there is so far: a run that is broken off has not been for nothing."""
    path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


def _given(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help=f"of {', '.join(SCENARIOS)} (all of them where none is given), of pgflow alone {', '.join(ALONE)}; "
        "or everything",
    )
    parser.add_argument("--systems", help=f"of {','.join(SYSTEMS)}; all where not given")
    parser.add_argument("--runs", type=int, default=5, help="rounds over all systems")
    parser.add_argument("--jobs", type=int, help="jobs of a fast system; slow ones get their share")
    parser.add_argument("--json", type=Path, help="where the figures of every run go")
    parser.add_argument("--report", action="store_true", help="write the tables and plots of docs/ from them")
    given = parser.parse_args(words)
    if given.scenarios == ["everything"]:
        given.scenarios = [*SCENARIOS, *ALONE]
    given.scenarios = given.scenarios or list(SCENARIOS)
    given.systems = given.systems.split(",") if given.systems else list(SYSTEMS)
    for kind, names, known in (
        ("scenario", given.scenarios, [*SCENARIOS, *ALONE]),
        ("system", given.systems, list(SYSTEMS)),
    ):
        if unknown := [name for name in names if name not in known]:
            parser.error(f"no {kind} is called {', '.join(unknown)}; there are {', '.join(known)}")
    if given.runs < 1 or (given.jobs is not None and given.jobs < 1):
        parser.error("--runs and --jobs are at least 1")
    return given


def _report(words: list[str]) -> int:
    parser = argparse.ArgumentParser("python -m bench report", description="Write the tables and plots of runs.")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="what --json wrote; several are one run")
    report(parser.parse_args(words).files)
    return 0


def _tell(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
