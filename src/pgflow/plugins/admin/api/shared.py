"""What several endpoints and pages tell of, read at most once a second for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pgflow.admin import look
from pgflow.plugins.admin.api.lists import Cached

if TYPE_CHECKING:
    from pgflow.admin import DeadGroup, QueueRow, WorkerRow

MOST_GROUPS: Final = 500

QUEUES: Final = Cached[list["QueueRow"]](lambda app: app.reads.run(look.queues()))
WORKERS: Final = Cached[list["WorkerRow"]](lambda app: app.reads.run(look.workers()))
COUNTS: Final = Cached[dict[str, int]](lambda app: app.reads.run(look.counts()))
GROUPS: Final = Cached[list["DeadGroup"]](lambda app: app.reads.run(look.dead_groups(limit=MOST_GROUPS)))
