"""The admin's own settings, beside PGFLOW_ADMIN_ADDR and PGFLOW_API_TOKEN."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Final

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from pgflow import PluginSettings

LEAST_BODY_BYTES: Final = 1_048_576
AROUND_A_PAYLOAD_BYTES: Final = 65_536

# a name, with *. before it or not, the number of a host, or any
ALLOWED: Final = re.compile(r"\*|(?:\*\.)?[\w-]+(?:\.[\w-]+)*\.?|\[?[0-9a-fA-F:]+:[0-9a-fA-F:.]+\]?", re.ASCII)

Words = Annotated[tuple[str, ...], NoDecode]


class AdminSettings(PluginSettings, prefix="PGFLOW_ADMIN_"):
    """Read by `AdminSettings.read(**keywords)`."""

    also_known = ("PGFLOW_ADMIN_ADDR",)

    allowed_hosts: Words = Field(
        (), description="names the admin may be asked for under, comma separated; *.example.com, or * for any"
    )
    trusted_proxies: Words = Field(
        (), description="addresses or networks whose X-Forwarded-For and -Proto are believed, comma separated"
    )
    body_bytes: int | None = Field(
        None, ge=1_024, le=1_000_000_000, description="the largest body of a request, bytes; enough for a job if unset"
    )
    event_streams: int = Field(20, ge=1, le=1_000, description="the most event streams open at once")
    read_only: bool = Field(False, description="1 refuses every change, from pages and programs alike")
    session_hours: float = Field(12, ge=0.01, le=720, description="how long one is signed in to the pages, hours")

    @field_validator("allowed_hosts", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        parts = value.split(",") if isinstance(value, str) else value
        return tuple(str(part).strip() for part in parts if str(part).strip())  # type: ignore[attr-defined]

    @field_validator("allowed_hosts")
    @classmethod
    def _check_hosts(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            if not ALLOWED.fullmatch(name):
                msg = f"{name!r} is no name of a host: leave scheme, port and path out"
                raise ValueError(msg)
        return names

    @field_validator("trusted_proxies")
    @classmethod
    def _check_proxies(cls, networks: tuple[str, ...]) -> tuple[str, ...]:
        for network in networks:
            ip_network(network, strict=False)
        return networks

    def most_body_bytes(self, max_payload_bytes: int) -> int:
        """The largest body, which has room for the largest payload unless it is set."""
        return self.body_bytes or max(LEAST_BODY_BYTES, max_payload_bytes + AROUND_A_PAYLOAD_BYTES)
