"""The settings of metrics."""

from __future__ import annotations

import math
from typing import Annotated, Final

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from pgflow import PluginSettings

DEFAULT_BUCKETS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
MOST_BUCKETS: Final = 50


class MetricsSettings(PluginSettings, prefix="PGFLOW_METRICS_"):
    """Read from `PGFLOW_METRICS_*` and from the keywords of `Metrics(...)`."""

    buckets: Annotated[tuple[float, ...], NoDecode] = Field(
        DEFAULT_BUCKETS,
        description="upper bounds of the Prometheus histograms, seconds, rising, comma separated, 50 at most",
    )
    max_names: int = Field(
        200, ge=1, le=10_000, description="tasks and queues told apart in labels; later ones are counted as other"
    )

    @field_validator("buckets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("buckets")
    @classmethod
    def _rise(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        rising = all(low < high for low, high in zip((0.0, *value), value, strict=False))
        if not value or len(value) > MOST_BUCKETS or not rising or not math.isfinite(value[-1]):
            msg = f"must be 1 to {MOST_BUCKETS} finite numbers above 0, each more than the last"
            raise ValueError(msg)
        return value
