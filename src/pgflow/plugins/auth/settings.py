"""Where the tokens are: in a variable, in a file, or in both."""

from __future__ import annotations

import json
from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from pgflow import PluginSettings


class AuthSettings(PluginSettings, prefix="PGFLOW_AUTH_"):
    """Read from `PGFLOW_AUTH_*`, or given as keywords of `Auth`; `tokens` may then be a dict or a list, too."""

    tokens: SecretStr | None = Field(
        None, description='tokens by name, as JSON such as {"ci": {"token": "…", "scopes": ["enqueue"]}}'
    )
    tokens_file: Path | None = Field(None, description="a file of such JSON, read again whenever it changes")

    @field_validator("tokens", mode="before")
    @classmethod
    def _hide(cls, value: object) -> object:
        # as a secret from here on: what a model holds may be shown in an error or a log
        return SecretStr(json.dumps(value, default=str)) if isinstance(value, dict | list) else value
