"""Every setting, once: its variable, its default and what it takes."""

from __future__ import annotations

import os
import secrets
import socket
from typing import Annotated, Any, Literal, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pgflow.errors import SettingsError
from pgflow.model import NAME_PATTERN

Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """Read by `Settings.read(**keywords)`: keyword > environment > .env > default."""

    model_config = SettingsConfigDict(
        env_prefix="PGFLOW_", env_file=".env", env_ignore_empty=True, extra="ignore", populate_by_name=True, frozen=True
    )

    database_url: str | None = Field(
        None,
        validation_alias=AliasChoices("PGFLOW_DATABASE_URL", "DATABASE_URL"),
        description="a PostgreSQL URL or key=value string; none means the embedded server",
    )
    embedded: bool = Field(True, description="0 refuses to fall back on the embedded server")
    app: str | None = Field(None, description="module:app, the app to load")
    worker_id: str | None = Field(None, description="a name for this worker; host-pid-random where unset")
    queue: Names = Field((), description="queues to work, comma separated")
    concurrency: int | None = Field(
        None, ge=1, le=10_000, description="slots; 100 async and 2 x cores sync where unset"
    )
    lease_seconds: float = Field(
        30, ge=1, le=86_400, description="how long a batch is held without a heartbeat, seconds"
    )
    dequeue_batch_size: int = Field(512, ge=1, le=10_000, description="the most jobs claimed at once")
    reap_interval_ms: int = Field(5_000, ge=50, le=3_600_000, description="between looks for lapsed leases, ms")
    poll_interval_ms: int = Field(1_000, ge=10, le=60_000, description="between polls of an idle worker, ms")
    shutdown_grace_seconds: float = Field(25, ge=0, le=86_400, description="what running jobs get to finish, seconds")
    verbose_job_logs: bool = Field(False, description="a log line per job")
    max_payload_bytes: int = Field(262_144, ge=1, le=64_000_000, description="the largest arguments of one job, bytes")
    migrate_on_startup: bool | None = Field(None, description="apply migrations at start; on where embedded")
    db_max_connections: int = Field(4, ge=2, le=1_000, description="the store's connections")
    unknown_task_seconds: float = Field(
        3_600, ge=1, le=31_536_000, description="until a job no worker knows dies, seconds"
    )
    claim_timeout_seconds: float = Field(
        300, ge=0, le=86_400, description="until a worker that cannot claim or store ends, seconds; 0 is never"
    )
    blocked_loop_seconds: float = Field(
        60, ge=0, le=86_400, description="until a worker whose event loop is blocked ends, seconds; 0 is never"
    )
    db_acquire_timeout_secs: float = Field(
        10, ge=0.1, le=3_600, description="the longest wait for a connection, seconds"
    )
    db_answer_timeout_secs: float = Field(
        30, ge=1, le=86_400, description="how long an answer may be silent before its connection is given up, seconds"
    )
    db_prepare: Literal["auto", "on", "off"] = Field(
        "auto", description="prepare statements; auto leaves it where a pooler hands sessions on"
    )
    disable_sync_commit: bool = Field(False, description="1 relaxes every commit of the store's, not only claims")
    disable_jit: bool = Field(True, description="0 leaves PostgreSQL's JIT on")
    dataset_bucket: Literal["hour", "day", "none"] = Field("day", description="how long one bucket of jobs is")
    maintenance_interval_secs: float = Field(
        60,
        ge=0.1,
        le=86_400,
        validation_alias=AliasChoices("MAINTENANCE_INTERVAL_SECS"),
        description="between rounds of upkeep, seconds",
    )
    max_enqueue_per_minute: int = Field(
        0, ge=0, le=1_000_000_000, description="enqueues a minute for each queue, refused above it; 0 is no limit"
    )
    admin_addr: str | None = Field(
        None, description="host:port the admin is served on, or off; 127.0.0.1:3003 for `pgflow admin` where unset"
    )
    api_token: SecretStr | None = Field(
        None, description="the admin's token; required on any address that is not loopback"
    )
    dead_letter_days: float = Field(90, ge=0, le=36_500, description="how long open dead letters are kept, days")
    archive_succeeded_after_days: float = Field(
        7,
        ge=0,
        le=36_500,
        validation_alias=AliasChoices("ARCHIVE_SUCCEEDED_AFTER_DAYS"),
        description="from when buckets of jobs are archived or dropped, days",
    )
    prune_history_after_days: float = Field(
        7,
        ge=0,
        le=36_500,
        validation_alias=AliasChoices("PRUNE_HISTORY_AFTER_DAYS"),
        description="from when archived buckets are dropped, days",
    )
    disabled_plugins: Names = Field((), description="plugins switched off, comma separated")
    required_plugins: Names = Field((), description="plugins without which nothing starts, comma separated")

    @field_validator("queue", "disabled_plugins", "required_plugins", mode="before")
    @classmethod
    def _split(cls, value: object) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        names = tuple(str(part).strip() for part in parts if str(part).strip())  # type: ignore[attr-defined]
        for name in names:
            if not NAME_PATTERN.fullmatch(name):
                msg = f"{name!r} is not a name: use 1 to 128 of A-Z a-z 0-9 _ . : -"
                raise ValueError(msg)
        return names

    @classmethod
    def read(cls, **keywords: Any) -> Self:
        """Read the settings; keywords that are None are left to the environment.

        Raises `SettingsError` naming each variable that cannot be read and what it takes.
        """
        given = {name: value for name, value in keywords.items() if value is not None}
        strangers = sorted(given.keys() - cls.model_fields.keys())
        if strangers:
            msg = f"unknown setting {', '.join(strangers)}; there are: {', '.join(sorted(cls.model_fields))}"
            raise SettingsError(msg)
        try:
            return cls(**{_key(name): value for name, value in given.items()})
        except ValidationError as error:
            raise SettingsError("\n".join(_complaints(error))) from None

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable a field is read from first."""
        alias = cls.model_fields[field].validation_alias
        return str(alias.choices[0]) if isinstance(alias, AliasChoices) else f"PGFLOW_{field.upper()}"


def _key(field: str) -> str:
    # a field with aliases takes its keyword under the first of them, which also outranks the environment
    return Settings.variable(field) if Settings.model_fields[field].validation_alias else field


def _complaints(error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        name = str(problem["loc"][0])
        field = next((f for f in Settings.model_fields if name in (f, Settings.variable(f), "DATABASE_URL")), name)
        known = Settings.model_fields.get(field)
        takes = f" ({known.description})" if known else ""
        variable = Settings.variable(field) if known else name
        lines.append(f"{variable}: {problem['msg']}, got {problem['input']!r}{takes}")
    return lines


def default_worker_id() -> str:
    """Name this process: host, pid and four random bytes."""
    host = "".join(c if c.isalnum() or c in "-." else "-" for c in socket.gethostname())[:60] or "host"
    return f"{host}-{os.getpid()}-{secrets.token_hex(4)}"
