"""Names that `pgflow.admin` is to export (`KeyConflictError`: pgflow itself); then this file goes."""

from __future__ import annotations

from pgflow.codes import suggested_action
from pgflow.errors import KeyConflictError
from pgflow.redact import redacted, redacted_args, redacted_text
from pgflow.store.admin.dead import DeadFilter, DeadJob, DeadPage, dead_listing
from pgflow.store.admin.lineage import Lineage, lineage

__all__ = [
    "DeadFilter",
    "DeadJob",
    "DeadPage",
    "KeyConflictError",
    "Lineage",
    "dead_listing",
    "lineage",
    "redacted",
    "redacted_args",
    "redacted_text",
    "suggested_action",
]
