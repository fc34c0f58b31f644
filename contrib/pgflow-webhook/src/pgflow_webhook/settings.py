"""What is set of webhooks."""

from __future__ import annotations

from pydantic import Field

from pgflow import PluginSettings


class WebhookSettings(PluginSettings, prefix="PGFLOW_WEBHOOK_"):
    """Read from PGFLOW_WEBHOOK_* and from the keywords of `Webhook(…)`."""

    queue: str = Field("webhooks", pattern=r"^[A-Za-z0-9_.:-]{1,128}$", description="the queue of deliveries")
    max_attempts: int = Field(8, ge=1, le=100, description="how often a delivery is tried")
    timeout_seconds: float = Field(10, gt=0, le=300, description="how long a receiver may take, seconds")
    allow_private: bool = Field(default=False, description="1 lets addresses inside the network be told too")
