"""The settings of the guardrails that are not pgflow's own."""

from __future__ import annotations

import json
from typing import Annotated, TypeAlias

from pydantic import Field, StringConstraints, field_validator
from pydantic_settings import NoDecode

from pgflow import PluginSettings

QueueName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:-]{1,128}$")]
PerMinute: TypeAlias = Annotated[int, Field(ge=0, le=1_000_000_000)]


class GuardrailSettings(PluginSettings, prefix="PGFLOW_GUARDRAILS_"):
    """Read from `PGFLOW_GUARDRAILS_*` and from the keywords of `Guardrails(...)`."""

    allowed_tasks: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="patterns of the tasks that may be enqueued, comma separated, such as mail.*; all where empty"
    )
    enqueue_limits: Annotated[dict[QueueName, PerMinute], NoDecode] = Field(
        {}, description='enqueues a minute by queue, as JSON such as {"mail": 600}; 0 is no limit'
    )

    @field_validator("allowed_tasks", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("enqueue_limits", mode="before")
    @classmethod
    def _parse(cls, value: object) -> object:
        try:
            return json.loads(value) if isinstance(value, str) else value
        except ValueError as error:
            msg = f"not JSON: {error}"
            raise ValueError(msg) from None
