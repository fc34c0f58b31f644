"""The settings of the brake."""

from pydantic import Field

from pgflow import PluginSettings


class BrakeSettings(PluginSettings, prefix="PGFLOW_BRAKE_"):
    """Read from PGFLOW_BRAKE_*, or given as keywords: Brake(most=3)."""

    most: int = Field(10, ge=1, description="dead letters at which a task is refused")
    look_seconds: float = Field(1.0, ge=0, description="how long a count of them is believed")
