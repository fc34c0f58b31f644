"""Payloads: drain of jobs with arguments of a size, which claim and finish should not write again."""

from __future__ import annotations

import json
import secrets
from functools import partial
from typing import TYPE_CHECKING, Final

from pgflow.bench.scenario import Scenario
from pgflow.bench.stage import Load

if TYPE_CHECKING:
    from pgflow.bench.stage import Bench, Figures

JOBS: Final = 20_000
KILOBYTES: Final = (1, 10)


def drain(bench: Bench, kilobytes: int) -> Figures:
    """Drain jobs whose arguments hardly compress."""
    args = json.dumps([secrets.token_hex(512 * kilobytes)])
    load = Load(jobs=bench.jobs(JOBS), args=args)
    with bench.working(load) as crew:
        return bench.drain(crew, load).figures(load.jobs)


SCENARIOS: Final = tuple(
    Scenario(
        name=f"payload-{kilobytes}kb",
        about=f"drain of jobs with {kilobytes} kB of arguments each",
        run=partial(drain, kilobytes=kilobytes),
        jobs=JOBS,
        heeds=frozenset({"backend", "processes"}),
        drains=True,
    )
    for kilobytes in KILOBYTES
)
