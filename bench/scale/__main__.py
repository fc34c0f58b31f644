"""`python -m bench.scale`: what more workers, queues and hosts do on one PostgreSQL; `report` writes it into docs/.

python -m bench.scale [--works a,b] [--layouts a,b] [--processes 1,2,4,8] [--runs 3] [--share 1.0] [--json FILE]
python -m bench.scale report FILE [FILE…]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.scale.cases import LAYOUTS, WORKS, Case, run
from bench.scale.hosts import NoHostsError, hosts
from bench.scale.report import line, report
from pgflow.bench.ground import Ground
from pgflow.bench.report import server_settings
from pgflow.store.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Iterator

USUAL: Final = {
    "one": tuple(WORKS),
    "eight": ("nothing",),
    "own": ("nothing",),
    "hosts": ("nothing", "rest-10ms"),
}
"""Which works a layout is measured with where nobody says."""


def main(words: list[str]) -> int:
    """Do what the words say; give the exit code."""
    if words[:1] == ["report"]:
        parser = argparse.ArgumentParser("python -m bench.scale report", description="Write docs/scaling.md's figures.")
        parser.add_argument(
            "files", nargs="+", type=Path, metavar="FILE", help="what --json wrote; several are one run"
        )
        report(parser.parse_args(words[1:]).files)
        return 0
    given = _given(words)
    found = measure(given)
    if given.json:
        given.json.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return 0


def measure(given: argparse.Namespace) -> dict[str, Any]:
    """Run every case in turns, as often as asked: what the machine does meanwhile meets all of them."""
    results: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    cases = list(_cases(given))
    with Ground(given.dsn) as ground, ExitStack() as ends:
        places: dict[str, Any] = {}
        if any(case.layout == "hosts" for case in cases):
            try:
                found = ends.enter_context(hosts(max(given.processes), ground.url))
                places = {"address": found.address, "through": found.through}
            except NoHostsError as error:
                left_out["hosts"] = str(error)
                print(f"no hosts: {error}", flush=True)
        for number in range(1, given.runs + 1):
            for case in cases:
                if case.layout != "hosts" or places:
                    measured = run(ground, case, share=given.share, **(places if case.layout == "hosts" else {}))
                    results.append({"round": number, **measured})
                    print(line(results[-1]), flush=True)
        return {
            "at": datetime.now(UTC).isoformat(),
            **_circumstances(ground.url),
            "left_out": left_out,
            "results": results,
        }


def _cases(given: argparse.Namespace) -> Iterator[Case]:
    for layout in given.layouts:
        for work in given.works or USUAL[layout]:
            for processes in given.processes:
                yield Case(work=work, layout=layout, processes=processes)


def _circumstances(url: str) -> dict[str, Any]:
    pool = Pool(url, size=1)
    try:
        server = server_settings(pool)
    finally:
        pool.close()
    machine = {"system": platform.system(), "cores": os.cpu_count(), "python": platform.python_version()}
    return {"machine": machine, "postgresql": server}


def _given(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m bench.scale", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--works", type=_names, default=[], help=f"of {','.join(WORKS)}")
    parser.add_argument("--layouts", type=_names, default=list(LAYOUTS), help=f"of {','.join(LAYOUTS)}; all")
    parser.add_argument("--processes", type=_numbers, default=[1, 2, 4, 8], help="how many workers; 1,2,4,8")
    parser.add_argument("--runs", type=int, default=3, help="rounds over all cases")
    parser.add_argument("--share", type=float, default=1.0, help="so many times the usual number of jobs")
    parser.add_argument("--json", type=Path, help="where the figures of every run go")
    parser.add_argument("--dsn", default=os.environ.get("PGFLOW_BENCH_DATABASE_URL"), help="the server; embedded")
    given = parser.parse_args(words)
    for names, known in ((given.works, WORKS), (given.layouts, LAYOUTS)):
        if unknown := [name for name in names if name not in known]:
            parser.error(f"{', '.join(unknown)}: there are {', '.join(known)}")
    if given.runs < 1 or min(given.processes) < 1 or given.share <= 0:
        parser.error("--runs and --processes are at least 1, --share more than 0")
    return given


def _names(text: str) -> list[str]:
    return text.split(",")


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
