"""The systems that are compared: how each is started, where it keeps its jobs, and what it keeps of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from bench.marked import ROOT

INSTALLED: Final = ROOT / "bench" / ".peers"
ADAPTERS: Final = Path(__file__).resolve().parent / "adapters"


@dataclass(frozen=True, slots=True)
class System:
    """A system; `busy` is the SQL that is true until every job is accounted for, for those on PostgreSQL."""

    name: str
    adapter: str
    arguments: tuple[str, ...] = ()
    store: Literal["postgresql", "redis"] = "postgresql"
    busy: str = ""
    history: str = "no"
    slow: bool = False
    """It is given fewer jobs, or a run would take minutes."""
    scenarios: tuple[str, ...] = ()
    """Those it takes part in, where not in all."""

    def command(self) -> list[str]:
        """Give what starts its adapter."""
        if self.adapter.endswith(".mjs"):
            return [str(INSTALLED / "node/node_modules/.bin/node"), str(INSTALLED / "node" / self.adapter)]
        python = sys.executable if self.adapter == "pgflow_app" else str(INSTALLED / "venv/bin/python")
        return [python, "-m", f"bench.peers.adapters.{self.adapter}", *self.arguments]

    def lacks(self) -> str | None:
        """Say what is not installed, or nothing."""
        program = Path(self.command()[0])
        if not program.exists():
            return f"{program.relative_to(ROOT)} is not there: python -m bench install"
        return None


PGFLOW_BUSY: Final = "select exists(select from pgflow.ready) or exists(select from pgflow.leases)"

SYSTEMS: Final = {
    system.name: system
    for system in (
        System("pgflow", "pgflow_app", ("asyncio",), busy=PGFLOW_BUSY, history="yes"),
        System("pgflow-defaults", "pgflow_app", ("defaults",), busy=PGFLOW_BUSY, history="yes", scenarios=("drain",)),
        System("pgflow-trio", "pgflow_app", ("trio",), busy=PGFLOW_BUSY, history="yes"),
        System("floor", "pgflow_app", ("floor",), busy=PGFLOW_BUSY, history="yes", scenarios=("drain",)),
        System("pgflow-threads", "pgflow_app", ("threads",), busy=PGFLOW_BUSY, history="yes"),
        System(
            "graphile-worker",
            "graphile.mjs",
            busy="select exists(select from graphile_worker._private_jobs)",
        ),
        System(
            "pg-boss",
            "pgboss.mjs",
            busy="select exists(select from pgboss.job where state < 'completed')",
            history="yes",
        ),
        System("pgqueuer", "pgqueuer_app", busy="select exists(select from pgqueuer)", history="log"),
        System(
            "procrastinate",
            "procrastinate_app",
            busy="select exists(select from procrastinate_jobs where status in ('todo', 'doing'))",
            history="yes",
            slow=True,
        ),
        System("dramatiq", "dramatiq_app", store="redis", slow=True),
        System("celery", "celery_app", store="redis", slow=True),
    )
}
