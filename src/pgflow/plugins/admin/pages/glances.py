"""What pages show beside what endpoints answer: counts, names, and errors put together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.plugins.admin.api.dead import group_item
from pgflow.plugins.admin.api.shared import COUNTS, GROUPS, QUEUES

if TYPE_CHECKING:
    from pgflow.plugins.admin.api.dead import GroupItem
    from pgflow.plugins.admin.pages.desk import Desk

GROUPED_SECONDS: Final = 10.0


def counts(app: Any, seconds: float | None = None) -> dict[str, int]:
    """Count what is queued, scheduled, retrying, running and dead; as it was so many seconds ago at the most."""
    return COUNTS.of(app, seconds)


def groups(desk: Desk, most: int) -> list[GroupItem]:
    """Group dead letters as GET /dlq/groups does, as it was some seconds ago: they are many texts to read."""
    desk.permit("dead_groups")
    return [group_item(group) for group in GROUPS.of(desk.app, GROUPED_SECONDS)[:most]]


def queue_names(app: Any) -> list[str]:
    """Name the queues that are known without a look: the app's own, and those that were seen last."""
    return sorted({*app.queues, *(row.name for row in QUEUES.last(app) or ())})
