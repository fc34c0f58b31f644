"""The hooks: what a plugin may implement, how plugins are found, and how hooks are called."""

from __future__ import annotations

from pgflow.hooks.calls import Hooks
from pgflow.hooks.loading import Plugins, entry_point_plugins, option_types
from pgflow.hooks.specs import GROUP, POLICIES, Policy, Specs, hookimpl, hookspec
from pgflow.hooks.values import (
    SCOPES,
    Actor,
    AdminExtras,
    Claim,
    Dead,
    Enqueue,
    HealthCheck,
    LostJob,
    Migrations,
    NavEntry,
    Panel,
    PluginInfo,
    Role,
    Scope,
    Where,
    WorkerInfo,
    WorkerStats,
)

__all__ = [
    "GROUP",
    "POLICIES",
    "SCOPES",
    "Actor",
    "AdminExtras",
    "Claim",
    "Dead",
    "Enqueue",
    "HealthCheck",
    "Hooks",
    "LostJob",
    "Migrations",
    "NavEntry",
    "Panel",
    "PluginInfo",
    "Plugins",
    "Policy",
    "Role",
    "Scope",
    "Specs",
    "Where",
    "WorkerInfo",
    "WorkerStats",
    "entry_point_plugins",
    "hookimpl",
    "hookspec",
    "option_types",
]
