"""What is set of webhooks."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from pgflow import ArgumentError, PluginSettings, SettingsError
from pgflow_webhook import guard, signing

Event = Literal["succeeded", "dead", "cancelled", "expired"]


class WebhookSettings(PluginSettings, prefix="PGFLOW_WEBHOOK_"):
    """Read from PGFLOW_WEBHOOK_* and from the keywords of `Webhook(…)`."""

    url: str | None = Field(None, description="where to send, as the subscription `settings`")
    secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        (),
        description="what to sign with for that url, comma separated: the new one and the old while they are rotated",
    )
    events: Annotated[tuple[Event, ...], NoDecode] = Field(
        ("dead",), description="what to tell that url of, comma separated: succeeded, dead, cancelled, expired"
    )
    queue: str = Field("webhooks", pattern=r"^[A-Za-z0-9_.:-]{1,128}$", description="the queue of deliveries")
    max_attempts: int = Field(12, ge=1, le=100, description="how often a delivery is tried")
    timeout_seconds: float = Field(10, gt=0, le=300, description="how long a receiver may take, seconds")
    allow_private: bool = Field(default=False, description="1 lets addresses inside the network be told too")

    @field_validator("secrets", "events", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        return tuple(part.strip() for part in value.split(",") if part.strip())

    def check(self) -> None:
        """Refuse a url that cannot be told, or without good secrets, and show none. Raises `SettingsError`."""
        if self.url is None:
            return
        if not self.secrets:
            msg = "PGFLOW_WEBHOOK_URL needs PGFLOW_WEBHOOK_SECRETS, by which its receiver knows who tells"
            raise SettingsError(msg)
        try:
            guard.place_of(self.url)
        except ArgumentError as error:
            msg = f"PGFLOW_WEBHOOK_URL: {error}"
            raise SettingsError(msg) from None
        for place, secret in enumerate(self.secrets, 1):
            if not signing.is_secret(secret.get_secret_value()):
                msg = f"PGFLOW_WEBHOOK_SECRETS: number {place} is no secret: {signing.SECRETS_ARE}"
                raise SettingsError(msg)
