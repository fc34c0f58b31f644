"""How long records are kept that no setting of pgflow's own speaks of."""

from __future__ import annotations

from pydantic import Field

from pgflow import PluginSettings


class PruneSettings(PluginSettings, prefix="PGFLOW_PRUNE_"):
    """Read from `PGFLOW_PRUNE_*`, or given as keywords of `Prune`."""

    stats_days: float = Field(30, ge=0, le=36_500, description="how long counts are kept, days")
    decisions_days: float = Field(30, ge=0, le=36_500, description="how long decisions are kept, days")
    workers_days: float = Field(1, ge=0.01, le=36_500, description="how long silent workers are listed, days")
