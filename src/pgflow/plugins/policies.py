"""Policies: keeps the limits that operators set for queues, and those given in code or by PGFLOW_POLICIES_LIMITS."""

from __future__ import annotations

import json
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final

import anyio
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode

from pgflow import PgflowError, PluginSettings, hookimpl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from contextlib import AbstractAsyncContextManager

    from pgflow import Claim
    from pgflow.admin import QueueLimits

logger = logging.getLogger("pgflow.policies")

LOOK_SECONDS: Final = 1.0
IDLE_SECONDS: Final = 10.0
"""Between looks while no claim is judged."""
STALE_SECONDS: Final = 30.0
PAUSED_REST_SECONDS: Final = 0.5
QUEUE_PAUSED: Final = "QUEUE_PAUSED"
LIMITS_UNKNOWN: Final = "LIMITS_UNKNOWN"


class Limit(BaseModel):
    """The limits of one queue."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    max_in_flight: int | None = Field(None, ge=1, le=2**31 - 1)
    max_attempts_per_minute: int | None = Field(None, ge=1, le=2**31 - 1)
    throttle_delay_ms: int | None = Field(None, ge=0, le=2**31 - 1)


def _from_text(given: Any) -> Any:
    return json.loads(given) if isinstance(given, str) else given


class PoliciesSettings(PluginSettings, prefix="PGFLOW_POLICIES_"):
    """The settings of this plugin."""

    limits: Annotated[dict[str, Limit], NoDecode, BeforeValidator(_from_text)] = Field(
        {}, description='limits by queue, such as {"mail": {"max_in_flight": 10}}'
    )


class Policies:
    """Knows every queue's limits, and judges claims by them without waiting.

    What it knows is at most a second old while there are claims; the first ones after an idle time are judged by what
    may be ten seconds old, and have it looked at.

    What an operator set outranks what stands in code, limit by limit.
    """

    name = "policies"
    limits_claims = True

    def __init__(self, limits: Mapping[str, Mapping[str, int | None]] | None = None) -> None:
        self._given = limits
        self._settings = PoliciesSettings.model_construct()
        self._set: dict[str, QueueLimits] = {}
        self._looked_at: float | None = None
        self._has_judged = False
        self._wanted = anyio.Event()

    @hookimpl
    def pgflow_configure(self) -> None:
        """Read the settings. Raises `SettingsError`."""
        self._settings = PoliciesSettings.read(limits=self._given)

    @hookimpl
    def pgflow_lifespan(self, app: Any, role: str) -> AbstractAsyncContextManager[None] | None:
        """Look at what operators set, at once and then each second in which claims are judged, beside a worker."""
        return self._looking(app) if role == "worker" else None

    @hookimpl
    def pgflow_before_claim(self, claim: Claim) -> None:
        """Set the queue's limits, or hold it back where it is paused, or its limits are not known."""
        self._judged()
        unknown = self._why_unknown()
        if unknown:
            claim.pause(LIMITS_UNKNOWN, unknown)
            return
        given, found = self._settings.limits.get(claim.queue), self._set.get(claim.queue)
        if found is not None and found.paused:
            claim.pause(QUEUE_PAUSED, found.paused_reason or "no reason given", rest_seconds=PAUSED_REST_SECONDS)
            return
        if given is None and found is None:
            return
        claim.max_in_flight = _least(claim.max_in_flight, _limit("max_in_flight", found, given))
        claim.rate = _least(claim.rate, _limit("max_attempts_per_minute", found, given))
        rest = _limit("throttle_delay_ms", found, given)
        if rest is not None:
            claim.rest_seconds = rest / 1000

    @asynccontextmanager
    async def _looking(self, app: Any) -> AsyncIterator[None]:
        await self._look(app)
        async with anyio.create_task_group() as group:
            group.start_soon(self._look_for_ever, app)
            yield
            group.cancel_scope.cancel()

    async def _look_for_ever(self, app: Any) -> None:
        from pgflow.admin import FAULTS  # noqa: PLC0415 - `pgflow --help` needs no database driver

        failing = False
        while True:
            await self._rest()
            try:
                await self._look(app)
                failing = False
            except (*FAULTS, PgflowError) as error:
                if not failing:
                    logger.warning("cannot look at the limits of queues: %s; trying again", error)
                failing = True

    async def _rest(self) -> None:
        await anyio.sleep(LOOK_SECONDS)
        if not self._has_judged:
            self._wanted = anyio.Event()
            with anyio.move_on_after(IDLE_SECONDS - LOOK_SECONDS):
                await self._wanted.wait()
        self._has_judged = False

    def _judged(self) -> None:
        if not self._has_judged:
            self._has_judged = True
            self._wanted.set()

    async def _look(self, app: Any) -> None:
        from pgflow.admin import look  # noqa: PLC0415 - `pgflow --help` needs no database driver

        began = time.monotonic()
        self._set = await app.db.arun(look.limits())
        self._looked_at = began

    def _why_unknown(self) -> str:
        if self._looked_at is None:
            return "the limits of queues have not been read: the plugin's lifespan was not entered"
        age = time.monotonic() - self._looked_at
        return f"the limits of queues have not been read for {age:.0f} s" if age > STALE_SECONDS else ""


def _limit(name: str, found: QueueLimits | None, given: Limit | None) -> int | None:
    value: int | None = getattr(found, name, None)
    return getattr(given, name, None) if value is None else value


def _least(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else min(one, other)
