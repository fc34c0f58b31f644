"""How long the audit is kept."""

from __future__ import annotations

from pydantic import Field

from pgflow import PluginSettings


class AuditSettings(PluginSettings, prefix="PGFLOW_AUDIT_"):
    """Read from `PGFLOW_AUDIT_*`, or given as keywords of `Audit`."""

    days: float = Field(30, ge=0.01, le=36_500, description="how long entries are kept, days")
