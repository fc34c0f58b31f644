"""The settings of retries, and the policy they make."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from pgflow import Exponential, Fixed, Linear, PluginSettings
from pgflow.plugins.retry.policies import Policy

MOST_SECONDS: Final = 30 * 86_400


class RetrySettings(PluginSettings, prefix="PGFLOW_RETRY_"):
    """Read from `PGFLOW_RETRY_*` and from the keywords of `RetryPolicies(...)`."""

    policy: Literal["exponential", "linear", "fixed"] = Field(
        "exponential", description="how tasks that declare no retry_policy wait: exponential, linear or fixed"
    )
    base_seconds: float | None = Field(
        None,
        ge=0,
        le=MOST_SECONDS,
        validate_default=True,
        description="the first wait, seconds; 2 where exponential, 10 where linear, needed where fixed",
    )
    factor: float | None = Field(
        None, ge=1, le=1_000, description="how much longer each wait is than the last; 2 where unset, exponential only"
    )
    cap_seconds: float | None = Field(
        None, ge=0, le=MOST_SECONDS, description="the longest wait, seconds; 3600 where unset, not where fixed"
    )
    jitter: bool | None = Field(
        None, description="0 waits the whole time and not a random part of it; exponential only"
    )
    budget_percent: float = Field(
        0, ge=0, le=1_000, description="retries a queue takes at once, in percent of its fresh work; 0 is no budget"
    )
    budget_floor: float = Field(
        10, gt=0, le=1_000_000, description="retries a second that a queue takes beside its fresh work in any case"
    )

    @field_validator("base_seconds")
    @classmethod
    def _needed(cls, value: float | None, info: ValidationInfo) -> float | None:
        if value is None and info.data.get("policy") == "fixed":
            msg = "PGFLOW_RETRY_POLICY=fixed needs it"
            raise ValueError(msg)
        return value

    @field_validator("factor", "cap_seconds", "jitter")
    @classmethod
    def _has_a_meaning(cls, value: Any, info: ValidationInfo) -> Any:
        policy = info.data.get("policy")
        if value is not None and (policy == "fixed" or (policy == "linear" and info.field_name != "cap_seconds")):
            msg = f"PGFLOW_RETRY_POLICY={policy} has no {info.field_name}"
            raise ValueError(msg)
        return value

    def made(self) -> Policy:
        """Make the policy of tasks that declare none."""
        words = {"factor": self.factor, "cap": self.cap_seconds, "jitter": self.jitter}
        given: dict[str, Any] = {word: value for word, value in words.items() if value is not None}
        if self.policy == "fixed":
            return Fixed(self.base_seconds or 0.0)
        if self.base_seconds is not None:
            given["base" if self.policy == "exponential" else "step"] = self.base_seconds
        return Exponential(**given) if self.policy == "exponential" else Linear(**given)
