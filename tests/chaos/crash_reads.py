"""Every way to look: what the admin, the command line and handles ask of the store."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from pgflow import State
from pgflow.plugins.admin import paging
from pgflow.plugins.admin.api import decided, health
from pgflow.plugins.audit import entries
from pgflow.plugins.cron import rows
from pgflow.plugins.metrics import minutes
from pgflow.store import buckets, settle
from pgflow.store import jobs as sql
from pgflow.store.admin import dead, explain, lineage, look, stats, timeline
from pgflow.store.statement import Statement, all_rows
from pgflow.views import JobFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pgflow import App


def reads(app: App) -> Iterator[Callable[[], Any]]:
    """Give one look after the other, each to be called."""
    pool = app.reads
    one = partial(_newest, app)
    for state in (None, *State):
        yield lambda state=state: pool.together(lambda run: look.listing(run, JobFilter(state=state)))
    for of_one in (look.job, look.ending, look.attempts, look.dead_letter, look.decisions_of):
        yield lambda of_one=of_one: pool.run(of_one(one()))
    for told in (explain.explain, timeline.timeline, lineage.lineage):
        yield lambda told=told: pool.together(lambda run: told(run, one()))
    for statement in (
        look.dead_letters(), look.dead_groups(), look.queues(), look.limits(), look.workers(), look.decisions(),
        look.counts(), look.outcomes(), buckets.listing(), buckets.archived(), stats.series(60, 10),
        settle.unsettled(["default"], later=True), sql.waiting_queues(["default"]), entries.listing(),
        rows.overdue(60.0), Statement(health.PING, {}, all_rows), Statement(paging.IDENTITY, {}, all_rows),
        decided.decided(3_600, 60),
    ):  # fmt: skip
        yield lambda statement=statement: pool.run(statement)
    yield lambda: pool.together(lambda run: dead.dead_listing(run, dead.DeadFilter(jobs=JobFilter())))
    yield lambda: pool.together(stats.last_minute)
    yield lambda: pool.together(lambda run: minutes.series(run, 3_600, 60))


def _newest(app: App) -> str:
    return str(app.reads.together(look.listing).items[0].id)
