"""What several endpoints and pages tell of, read at most once a second for all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from pgflow.admin import look, stats
from pgflow.plugins.admin.api.lists import Cached

if TYPE_CHECKING:
    from pgflow.admin import DeadGroup, QueueRow, WorkerRow

MOST_GROUPS: Final = 500

QUEUES: Final = Cached[list["QueueRow"]](lambda app: app.reads.run(look.queues()))
WORKERS: Final = Cached[list["WorkerRow"]](lambda app: app.reads.run(look.workers()))
COUNTS: Final = Cached[dict[str, int]](lambda app: app.reads.run(look.counts()))
MINUTES: Final = Cached[list["stats.QueueMinute"]](lambda app: _minutes(app, QUEUES.of(app)))
GROUPS: Final = Cached[list["DeadGroup"]](lambda app: app.reads.run(look.dead_groups(limit=MOST_GROUPS)))


def _minutes(app: Any, queues: list[QueueRow]) -> list[stats.QueueMinute]:
    # of queues that were looked at already: to look again took longer than all the rest of it
    found: list[stats.QueueMinute] = app.reads.together(lambda run: stats.minutes_of(run, queues))
    return found
